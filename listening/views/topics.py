"""The plain form of a topic: any of these, and also, but not."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.access import brand_for
from accounts.models import Brand
from listening import topics
from listening.models import Topic
from listening.views.sources import Frame

LISTS = ("any_of", "all_of", "none_of")


def new(request: HttpRequest, brand: str, *, frame: Frame) -> HttpResponse:
    """A topic that is not there yet."""
    return _form(request, brand_for(request.person, brand), None, frame)  # type: ignore[attr-defined]


def topic(request: HttpRequest, brand: str, pk: int, *, frame: Frame) -> HttpResponse:
    """A topic to change."""
    found = brand_for(request.person, brand)  # type: ignore[attr-defined]
    one = Topic.objects.filter(brand=found, pk=pk).first()
    if one is None:
        raise Http404
    return _form(request, found, one, frame)


def _form(request: HttpRequest, brand: Brand, one: Topic | None, frame: Frame) -> HttpResponse:
    now = timezone.now()
    written = {name: "\n".join(getattr(one, name)) if one else "" for name in LISTS}
    name, problems = one.name if one else "", []
    if request.method == "POST":
        written = {field: request.POST.get(field, "") for field in LISTS}
        name = request.POST.get("name", "")
        try:
            topics.save(brand, one, name, topics.Words.of_lines(**written), request.person, now)  # type: ignore[attr-defined]
            return HttpResponseRedirect(reverse("sources", args=[brand.slug]), status=303)
        except topics.NotKept as error:
            problems = [_(problem.words) % {"term": problem.term} for problem in error.problems]
    context = frame(request, brand, "sources", now) | {
        "topic": one,
        "name": name,
        "written": written,
        "problems": problems,
    }
    return render(request, "listening/topic.html", context, status=422 if problems else 200)
