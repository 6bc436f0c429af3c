from django.db import models


class QueueTally(models.Model):
    """How many threads stand where: the database adds a row for each change (guards.sql), the sum is exact at any size,
    no two writers wait for each other, and a background task folds the rows together."""

    brand_id = models.BigIntegerField()
    queue = models.CharField(max_length=10)
    owner_id = models.BigIntegerField(null=True)
    delta = models.IntegerField()

    class Meta:
        indexes = [models.Index(fields=["brand_id", "queue"], name="tally_of_brand", include=["owner_id", "delta"])]
