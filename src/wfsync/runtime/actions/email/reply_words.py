"""How mail programs say, in the languages that they speak, that a quotation or a signature begins.

Every pattern is tried on one line (or on a few, joined) of at most a thousand characters.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["CUT_MARKERS", "DATED_SENDER", "HEADERS", "MOBILE_SIGNATURES", "OPENERS", "ORIGINAL_MESSAGES", "WROTE"]

_ORIGINAL: Final = (
    "original message|original appointment|forwarded message|begin forwarded message|reply message|"
    "ursprüngliche nachricht|originalnachricht|urspr\\. nachricht|weitergeleitete nachricht|"
    "message d['’]origine|message original|message transféré|mensaje original|mensaje reenviado|"
    "messaggio originale|messaggio inoltrato|mensagem original|mensagem encaminhada|"
    "oorspronkelijk bericht|oorspronkelijk bericht doorgestuurd|doorgestuurd bericht|"
    "oprindelig meddelelse|opprinnelig melding|ursprungligt meddelande|originalmeddelande|alkuperäinen viesti|"
    "wiadomość oryginalna|oryginalna wiadomość|původní zpráva|eredeti üzenet|mesaj original|orijinal mesaj|"
    "исходное сообщение|пересланное сообщение|原始邮件|原始郵件|元のメッセージ|원본 메시지"
)
ORIGINAL_MESSAGES: Final = re.compile(
    rf"[-_—–]{{2,}}\s?(?:{_ORIGINAL})\s?:?\s?[-_—–]{{2,}}|begin forwarded message:", re.IGNORECASE
)
"""``-----Original Message-----``."""

CUT_MARKERS: Final = re.compile(
    r"^[#\-=*~_–—\s]{2,20}(?:please )?(?:type your |write your |enter your )?(?:reply|respond|replies)"
    r" (?:above|before) this line|"
    r"^[#\-=*~_–—\s]{2,20}(?:bitte )?(?:antworten sie )?(?:oberhalb|über) dieser (?:zeile|linie)",
    re.IGNORECASE,
)
"""What help desks put above what they quote."""

OPENERS: Final = re.compile(
    r"(?:on|am|le|el|il|op|em|a|den|på|w dniu|dne|pada|vào|в|在|於|il giorno|ma)\s"
    r"|[\"'«]?\w[^:]{0,120}<[^<>\s]{1,200}@"
    r"|\d{1,4}[-./年]\s?\d{1,2}[-./月]",
    re.IGNORECASE,
)
"""How ``On … wrote:`` can begin: with a preposition, a sender with an address, a date."""

WROTE: Final = re.compile(
    r"wrote|writes|schrieb|a écrit|escribió|escribio|ha scritto|scrisse|schreef|escreveu|skrev|kirjoitti|"
    r"napisał|napisal|pisze|írta|a scris|yazdı|написал|пишет|έγραψε|menulis|đã viết|写道|寫道|書きました",
    re.IGNORECASE,
)
"""What stands near its end."""

DATED_SENDER: Final = re.compile(r"\d{1,4}[-./年]\s?\d{1,2}[-./月].{0,300}<[^<>\s]{1,200}@[^<>\s]{1,200}>\s?[:：]")
"""The form without a verb: ``2026-05-04 9:12 GMT+02:00 Ann Lee <ann@example.com>:``."""

_HEADER_NAMES: Final = {
    "from": "from|von|de|da|van|fra|från|lähettäjä|od|feladó|kimden|от|发件人|寄件者|差出人|보낸 사람",
    "date": "sent|date|gesendet|datum|envoyé|envoyé le|enviado|enviado el|fecha|inviato|data|verzonden|sendt|skickat|"
    "lähetetty|wysłano|data wysłania|odesláno|elküldve|gönderildi|дата|отправлено|发送时间|送信日時|日付|보낸 날짜",
    "to": "to|an|à|para|a|aan|til|till|vastaanottaja|do|komu|címzett|kime|кому|收件人|宛先|받는 사람",
    "cc": "cc|kopie|copie|copia|kopia|копия|抄送",
    "subject": "subject|betreff|objet|asunto|oggetto|assunto|onderwerp|emne|ämne|aihe|temat|předmět|tárgy|konu|тема|"
    "主题|件名|제목",
}  # fmt: skip
HEADERS: Final = {name: kind for kind, names in _HEADER_NAMES.items() for name in names.split("|")}
"""The name of a header in any language → which one it is."""

MOBILE_SIGNATURES: Final = re.compile(
    r"(?:sent (?:from|via|with)|get outlook for|gesendet (?:von|mit)|envoyé (?:de|depuis)|enviado desde|"
    r"enviado d[oe] (?:meu|minha)|inviato da|inviato dal mio|verstuurd van(?:af)?|verzonden vanaf|sendt fra|"
    r"skickat från|wysłane z|отправлено с) .{1,80}|von meinem .{1,60} gesendet",
    re.IGNORECASE,
)
"""``Sent from my phone``: the last line of a mail."""
