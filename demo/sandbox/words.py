"""The square's words in both languages. A network of its own, so not in Ascolto's catalogue."""

from __future__ import annotations

LANGUAGES = ("en", "it")

WORDS: dict[str, tuple[str, str]] = {
    "title": ("La Piazzetta, a sandbox network", "La Piazzetta, rete di prova"),
    "skip": ("Skip to the messages", "Vai ai messaggi"),
    "tape": ("Sandbox network.", "Rete di prova."),
    "tape_more": (
        "Nothing leaves this computer; every message is made up and one click clears them all.",
        "Niente esce da questo computer; tutti i messaggi sono finti e si cancellano con un clic.",
    ),
    "subtitle": ("where you play somebody who writes to a brand", "qui fai tu la parte di chi scrive a un marchio"),
    "back": ("Back to Ascolto", "Torna ad Ascolto"),
    "other_language": ("Italiano", "English"),
    "say": ("Say something, as a customer would", "Di’ qualcosa, come farebbe un cliente"),
    "reply_to": ("Answer {name}", "Rispondi a {name}"),
    "not_a_reply": ("Say something new instead", "Di’ invece qualcosa di nuovo"),
    "placeholder": ("For example: {text}", "Per esempio: {text}"),
    "suggestions": ("Or start from one of these", "Oppure parti da una di queste"),
    "as": ("Write as", "Scrivi come"),
    "to": ("to", "a"),
    "nobody": ("the whole square", "tutta la piazza"),
    "publish": ("Publish in the square", "Pubblica in Piazzetta"),
    "curious": ("curious", "curiosa"),
    "angry": ("angry", "arrabbiato"),
    "german": ("in German", "in tedesco"),
    "yours": ("Your conversation", "La tua conversazione"),
    "nothing_yet": (
        "Nothing yet. Say something: it will be in Ascolto’s inbox within seconds.",
        "Ancora niente. Di’ qualcosa: tra pochi secondi sarà nella casella di Ascolto.",
    ),
    "others": ("Also in the square", "Anche in Piazzetta"),
    "you": ("it’s you", "sei tu"),
    "brand": ("the brand", "il marchio"),
    "in_answer": ("in answer to {name}", "in risposta a {name}"),
    "edited": ("edited", "modificato"),
    "heard": ("Ascolto has heard it", "Ascolto l’ha sentito"),
    "unheard": ("Ascolto has not come by yet", "Ascolto non è ancora passato"),
    "unaddressed": ("Said to the whole square", "Detto a tutta la piazza"),
    "waiting": ("Waiting for somebody to answer in Ascolto", "In attesa che in Ascolto qualcuno risponda"),
    "arrived_after": ("Arrived <b>{time}</b> after your message", "Arrivata <b>{time}</b> dopo il tuo messaggio"),
    "reply": ("Answer", "Rispondi"),
    "delete": ("Delete", "Cancella"),
    "delete_it": ("Delete the message “{text}”", "Cancella il messaggio «{text}»"),
    "trip": ("The journey of your message", "Il viaggio del tuo messaggio"),
    "trip_empty": (
        "It begins when you say something.",
        "Comincia quando dici qualcosa.",
    ),
    "trip_said": ("<b>Said</b> in the square", "<b>Detto</b> in Piazzetta"),
    "trip_heard": ("<b>Heard</b> by Ascolto", "<b>Sentito</b> da Ascolto"),
    "trip_not_heard": ("To be heard by Ascolto", "Da sentire, in Ascolto"),
    "trip_not_addressed": (
        "it addresses no brand: Ascolto hears it only if it follows this square",
        "non si rivolge a un marchio: Ascolto lo sente solo se segue la piazza",
    ),
    "trip_try": ("<b>Attempt {number}</b>: the network {what}", "<b>Tentativo {number}</b>: la rete {what}"),
    "trip_open": ("To be answered, in Ascolto", "Da rispondere, in Ascolto"),
    "trip_arrived": ("<b>Arrived</b> here, once only", "<b>Arrivata</b> qui, una volta sola"),
    "trip_several": ("<b>Arrived</b> here {count} times", "<b>Arrivate</b> qui in {count}"),
    "after": ("after {time}", "dopo {time}"),
    "answer_now": ("Now you answer: open Ascolto", "Ora rispondi tu: apri Ascolto"),
    "troubles": ("Try the troubles too", "Prova anche i guai"),
    "troubles_more": (
        "What the network does with the brand’s next answer. Once only, then it is well again.",
        "Che cosa fa la rete con la prossima risposta del marchio. Una volta sola, poi guarisce.",
    ),
    "well": ("Publishes it", "La pubblica"),
    "timeout": ("Publishes it and then says nothing", "La pubblica e poi tace"),
    "timeout_lost": ("Loses it and says nothing", "La perde e tace"),
    "drop": ("Publishes it and hangs up", "La pubblica e riattacca"),
    "half": ("Publishes it and confirms by half", "La pubblica e conferma a metà"),
    "busy": ("Asks to come back later (429)", "Chiede di ripassare (429)"),
    "error": ("Publishes it and reports an error (500)", "La pubblica e dà errore (500)"),
    "error_lost": ("Loses it and reports an error (500)", "La perde e dà errore (500)"),
    "refuse": ("Refuses it (422)", "La rifiuta (422)"),
    "delete_trouble": ("Publishes it, then deletes it", "La pubblica, poi la cancella"),
    "see_well": ("the answer arrives", "la risposta arriva"),
    "see_uncertain": ("you will see “outcome uncertain”, never a double", "vedrai «esito incerto», mai un doppio"),
    "see_later": ("you will see it leave by itself a little later", "vedrai che riparte da sola poco dopo"),
    "see_failed": (
        "you will see “not published”, and the text is safe",
        "vedrai «non pubblicata», il testo è salvo",
    ),
    "see_deleted": ("it disappears from here and Ascolto says so", "sparisce da qui, e Ascolto lo dice"),
    "did_well": ("published it", "l’ha pubblicata"),
    "did_timeout": ("published it and said nothing", "l’ha pubblicata e ha taciuto"),
    "did_timeout_lost": ("lost it and said nothing", "l’ha persa e ha taciuto"),
    "did_drop": ("published it and hung up", "l’ha pubblicata e ha riattaccato"),
    "did_half": ("published it and confirmed by half", "l’ha pubblicata e ha confermato a metà"),
    "did_busy": ("asked to come back later", "ha chiesto di ripassare"),
    "did_error": ("published it and reported an error", "l’ha pubblicata e ha dato errore"),
    "did_error_lost": ("lost it and reported an error", "l’ha persa e ha dato errore"),
    "did_refuse": ("refused it", "l’ha rifiutata"),
    "did_delete": ("published it, then deleted it", "l’ha pubblicata, poi l’ha cancellata"),
    "did_other": ("misbehaved", "si è comportata male"),
    "did_again": ("knew the key: nothing published twice", "conosceva la chiave: niente di doppio"),
    "set": ("Set", "Imposta"),
    "keys": ("Keys are honoured", "Le chiavi sono riconosciute"),
    "keys_more": (
        "As on Mastodon: an answer that is sent again with its key is not published twice.",
        "Come su Mastodon: una risposta rispedita con la sua chiave non esce due volte.",
    ),
    "no_keys": ("Keys are ignored", "Le chiavi sono ignorate"),
    "no_keys_more": (
        "As on GoToSocial: whoever sends again without looking publishes twice.",
        "Come su GoToSocial: chi rispedisce senza guardare pubblica due volte.",
    ),
    "keys_off": ("Ignore the keys", "Ignora le chiavi"),
    "keys_on": ("Honour the keys", "Riconosci le chiavi"),
    "clear": ("Clear the square", "Svuota la Piazzetta"),
    "too_long": ("That is longer than 500 characters: shorten it.", "Sono più di 500 caratteri: accorcia."),
    "empty": ("Write something first.", "Prima scrivi qualcosa."),
    "new_answer": ("{name} has answered.", "{name} ha risposto."),
    "not_found": ("There is nothing here.", "Qui non c’è niente."),
    "to_square": ("Go to the square", "Vai in Piazzetta"),
    "seconds": ("{n} s", "{n} s"),
    "minutes": ("{n} min", "{n} min"),
    "hours": ("{n} h", "{n} h"),
}


class Words:
    """The words of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._index = LANGUAGES.index(language)

    def __getitem__(self, key: str) -> str:
        return WORDS[key][self._index]

    def duration(self, seconds: float) -> str:
        if seconds < 90:
            return self["seconds"].format(n=round(seconds))
        if seconds < 5400:
            return self["minutes"].format(n=round(seconds / 60))
        return self["hours"].format(n=round(seconds / 3600))


def choose(asked: str, accept_language: str) -> Words:
    """By what was asked for, else by the browser's first known language, else English."""
    browser = [part.split(";")[0].strip()[:2].lower() for part in accept_language.split(",")]
    return Words(next((each for each in [asked, *browser] if each in LANGUAGES), "en"))
