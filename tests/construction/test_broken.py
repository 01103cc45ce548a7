"""Captions that no editor edits, since they are broken; sound ones are never called that."""

from __future__ import annotations

import pytest

from nsfwcaps.construction.broken import is_broken
from nsfwcaps.construction.checks import Limits, check_safe

LIMITS = Limits(max_words=40, max_added=12, max_removed=3)


@pytest.mark.parametrize(
    "caption",
    [
        "A large of people on motor bikes on a street",
        "A man sits on on a bench in a park",
        "A vase sits on the a table in a room",
        "A plate with a sandwich on it and",
        "A man sitting at a table with",
        "A cat is lying on the bed in a",
        'A sign that says "no parking on a street',
        "a man that is walking down the street with a umbrella",
        "A man with an hat on his head",
        "The men and women was sitting in the back of the truck",
        "Two giraffe are standing in the grass",
        "A suitcase is places near the sofa",
        "There is no image here to provide a caption for.",
        "I am unable to see an image above.",
        "A cat \ufffd on a bed",
        "A caf\u00c3\u00a9 on a street",
    ],
)
def test_broken(caption: str) -> None:
    assert is_broken(caption)
    assert check_safe(caption, LIMITS, frozenset()) == "broken_caption"


@pytest.mark.parametrize(
    "caption",
    [
        "An SUV, an LCD screen and an HP laptop on a desk",
        "A one-way street with a European car and a used sofa",
        "A UPS truck near a UFO on the roof of a house",
        "A eucalyptus tree and a ewe in an hour of rain",
        'A 12" pizza on the table',
        "A bathroom with a his and hers sink",
        "A person getting in a by-pass lane with an on-ramp and the to-go box",
        "A man looks at a friend of his",
        "A toy for the cat to be playing with.",
        "A train stops while people hurry to get on",
        "A woman in front of a statue , while a man photographs her .",
        "A dog is sitting for a while",
        "The group of men is standing at a bar",
        "There are places to sit and there are stands in the market",
        "Several laptop computers and two bus drivers on the street",
        "A three tier cake and a four poster bed in the room",
        "A man at the car that that dealer sells",
        "Woman reading",
        "man surfing",
        "A COLORADO CAR IN THE SNOW",
        "Eine Katze liegt an der Wand neben dem Tisch",
        "Il y a une voiture rouge dans la rue",
        "Hay que ver a otra persona",
        "Nike shoes, size 9, on a rack",
        "A grey lorry parked by the kerb near the theatre",
    ],
)
def test_sound(caption: str) -> None:
    assert not is_broken(caption)
