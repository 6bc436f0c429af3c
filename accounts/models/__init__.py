from accounts.models.agency import Agency, Engagement
from accounts.models.audit import AuditEntry
from accounts.models.brand import Brand, Membership
from accounts.models.login import Login
from accounts.models.person import Person, Staff

__all__ = ["Agency", "AuditEntry", "Brand", "Engagement", "Login", "Membership", "Person", "Staff"]
