from django.db import models


class AuditEntry(models.Model):
    """One decision, for ever: who did what to which row. Ids only, no words of anybody, so that erasing needs no hole.

    `seq`, `previous` and `print` are written by the database at commit (guards.sql): a chain that can be verified.
    """

    at = models.DateTimeField()
    actor_id = models.BigIntegerField(null=True)
    """The person; empty for the machine itself."""
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40)
    object_id = models.BigIntegerField(null=True)
    meta = models.JSONField(default=dict)
    seq = models.BigIntegerField(null=True, unique=True, editable=False)
    previous = models.CharField(max_length=64, null=True, editable=False)
    print = models.CharField(max_length=64, null=True, editable=False)

    class Meta:
        indexes = [models.Index(fields=["object_type", "object_id"], name="audit_object")]


class AuditHead(models.Model):
    """The end of the chain: one row, locked only while a commit adds to it."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    seq = models.BigIntegerField(default=0)
    print = models.CharField(max_length=64, default="")

    class Meta:
        constraints = [models.CheckConstraint(name="audit_one_head", condition=models.Q(id=1))]
