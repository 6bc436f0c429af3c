"""One's own language, time zone and theme."""

from __future__ import annotations

from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from accounts.models import Person


class PreferencesForm(forms.ModelForm):
    class Meta:
        model = Person
        fields = ("language", "zone", "theme")

    def clean_language(self) -> str:
        language = self.cleaned_data["language"]
        return language if language in dict(settings.LANGUAGES) else ""

    def clean_zone(self) -> str:
        zone = self.cleaned_data["zone"]
        if zone not in available_timezones():
            raise forms.ValidationError(_("Choose a time zone from the list."))
        return str(zone)


def preferences(request: HttpRequest) -> HttpResponse:
    person: Person = request.person  # type: ignore[attr-defined]
    back = request.POST.get("back") or request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}) or reverse("preferences") in back:
        back = reverse("home")
    form = PreferencesForm(request.POST or None, instance=person)
    if request.method == "POST" and form.is_valid():
        Person.objects.filter(pk=person.pk).update(**form.cleaned_data)
        return HttpResponseRedirect(reverse("preferences") + "?saved=1", status=303)
    context = {
        "languages": settings.LANGUAGES,
        "zones": sorted(available_timezones()),
        "saved": request.GET.get("saved") == "1",
        "back": back,
        "errors": form.errors,
    }
    return render(request, "accounts/preferences.html", context, status=422 if form.errors else 200)
