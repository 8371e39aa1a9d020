# SPDX-License-Identifier: Apache-2.0
"""The words of alerts in English, Romanian and German; sentences.py has those of the findings."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from avatar_bringup.alerts.conditions import STOPPED, Told
from avatar_bringup.alerts.policy import News
from avatar_bringup.alerts.sentences import SENTENCES

LANGUAGES = ('en', 'ro', 'de')

FRAMES: Mapping[str, Mapping[str, str]] = {
    'en': {
        'stopped': 'The robot cannot be driven.',
        'stopped_over': 'The robot can be driven again.',
        'crash': 'The robot has started again after its programs ended unexpectedly ({result}).',
        'cut_off': 'The robot has started again after it was cut off: its power failed, or the '
                   'whole computer stopped.',
        'crashes': 'This is the {count}th time in a row.',
        'over': 'Over: {sentence}',
        'was': '{sentence} It is over since {end}.',
        'times': '{sentence} ({times} times since {first})',
        'more': 'and {count} more',
        'test': 'This is a test. Alerts of the robot reach you.',
        'perhaps_lost': 'Perhaps this did not reach you before: {titles}',
        'dropped': '{count} older messages were given up, too many were waiting.',
        'several': '{count} messages',
    },
    'ro': {
        'stopped': 'Robotul nu poate fi condus.',
        'stopped_over': 'Robotul poate fi condus din nou.',
        'crash': 'Robotul a repornit după ce programele lui s-au oprit pe neașteptate ({result}).',
        'cut_off': 'Robotul a repornit după ce a fost întrerupt: a căzut alimentarea sau s-a '
                   'oprit tot calculatorul.',
        'crashes': 'Este a {count}-a oară la rând.',
        'over': 'S-a încheiat: {sentence}',
        'was': '{sentence} S-a încheiat la {end}.',
        'times': '{sentence} (de {times} ori de la {first})',
        'more': 'și încă {count}',
        'test': 'Acesta este un test. Alertele robotului ajung la dumneavoastră.',
        'perhaps_lost': 'Poate că acestea nu au ajuns mai devreme: {titles}',
        'dropped': '{count} mesaje mai vechi au fost abandonate, așteptau prea multe.',
        'several': '{count} mesaje',
    },
    'de': {
        'stopped': 'Der Roboter kann nicht gefahren werden.',
        'stopped_over': 'Der Roboter kann wieder gefahren werden.',
        'crash': 'Der Roboter ist neu gestartet, nachdem seine Programme unerwartet endeten '
                 '({result}).',
        'cut_off': 'Der Roboter ist neu gestartet, nachdem er unterbrochen wurde: der Strom fiel '
                   'aus, oder der ganze Computer blieb stehen.',
        'crashes': 'Es ist das {count}. Mal hintereinander.',
        'over': 'Vorbei: {sentence}',
        'was': '{sentence} Vorbei seit {end}.',
        'times': '{sentence} ({times}-mal seit {first})',
        'more': 'und {count} weitere',
        'test': 'Dies ist ein Test. Meldungen des Roboters erreichen Sie.',
        'perhaps_lost': 'Vielleicht kam vorher nicht an: {titles}',
        'dropped': '{count} ältere Meldungen wurden aufgegeben, es warteten zu viele.',
        'several': '{count} Meldungen',
    },
}
OF_ENDINGS = ('crash', 'cut_off')


@dataclass(frozen=True)
class Text:
    """A message as it is sent; `bad`: something in it is wrong now."""

    title: str
    body: str
    bad: bool


class _Known(dict[str, str]):
    def __missing__(self, _key: str) -> str:
        return '?'


def sentence(language: str, told: Told) -> str:
    """Return what is said of a finding; in English where there is no other."""
    frames = FRAMES[language]
    if told.code in (STOPPED, *OF_ENDINGS):
        text = frames[told.code].format_map(_Known(told.values))
        if told.code in OF_ENDINGS and int(told.values.get('count', '1')) > 1:
            text += ' ' + frames['crashes'].format_map(_Known(told.values))
        return text
    template = SENTENCES.get(language, {}).get(told.code)
    if template is None:
        return told.text or told.code
    text = template.format_map(_Known({'part': told.part, **told.values}))
    # Names, numbers and commands, which no language changes; English has them in its sentence.
    detail = told.values.get('reason') or told.values.get('words')
    return f'{text} [{detail}]' if detail else text


def message(language: str, robot: str, news: Sequence[News], now_s: float) -> Text:
    """Return the text of a message about this news; `now_s` is unix time."""
    lines = []
    for one in news:
        lines.append(f'{_clock(one.last_s, now_s)} {_line(language, one, now_s)}')
        lines += [f'- {sentence(language, told)}' for told in one.why if not one.over]
    first = max(news, key=lambda one: (one.urgent, not one.over))
    title = f'{robot}: {_headline(language, first)}'
    if len(news) > 1:
        title += f' ({FRAMES[language]["more"].format(count=len(news) - 1)})'
    return Text(title, '\n'.join(lines), any(not one.over for one in news))


def _headline(language: str, news: News) -> str:
    text = sentence(language, news.told)
    if not news.over or news.told.code in OF_ENDINGS:
        return text
    if news.key == STOPPED:
        return FRAMES[language]['stopped_over']
    return FRAMES[language]['over'].format(sentence=text)


def _line(language: str, news: News, now_s: float) -> str:
    frames, text = FRAMES[language], sentence(language, news.told)
    first = _clock(news.first_s, now_s)
    if news.told.code in OF_ENDINGS:
        return text if news.times == 1 else frames['times'].format(
            sentence=text, times=news.times, first=first)
    if news.times == 0:
        return _headline(language, news)
    if news.times > 1:
        text = frames['times'].format(sentence=text, times=news.times, first=first)
    if not news.over:
        return text
    return frames['was'].format(sentence=text, end=_clock(news.last_s, now_s))


def _clock(at_s: float, now_s: float) -> str:
    """Return a time of the robot's clock, with the date where it is not today's."""
    at, now = time.localtime(at_s), time.localtime(now_s)
    return time.strftime('%H:%M' if at[:3] == now[:3] else '%Y-%m-%d %H:%M', at)


def joined(
    language: str, robot: str, texts: Sequence[tuple[str, str]], perhaps_lost: Iterable[str],
    dropped: int,
) -> tuple[str, str]:
    """Return title and body of the letter in which these messages go out together."""
    frames = FRAMES[language]
    if len(texts) == 1:
        title, body = texts[0]
    else:
        title = f'{robot}: {frames["several"].format(count=len(texts))}'
        body = '\n\n'.join(body for _, body in texts)
    lost = list(perhaps_lost)
    if lost:
        body += '\n\n' + frames['perhaps_lost'].format(titles='; '.join(lost[-5:]))
    if dropped:
        body += '\n\n' + frames['dropped'].format(count=dropped)
    return title, body
