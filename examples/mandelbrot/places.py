"""Places worth a visit, each with what a picture of it needs."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """Where to look, and how long."""

    name: str
    re: str
    im: str
    zoom: str
    iterations: int


PLACES = (
    Place("The whole set", "-0.5", "0", "0.35", 1_000),
    Place("Seahorse valley", "-0.7453", "0.1127", "60", 2_000),
    Place("Elephants", "0.2822", "0.0100", "40", 1_500),
    Place(
        "Double spiral",
        "-0.743643887037158704752191506114774",
        "0.131825904205311970493132056385139",
        "2000",
        4_000,
    ),
    Place("Lightning", "-1.315180982097868", "0.073481649996795", "200000", 3_000),
    Place(
        "A copy at 10^30",
        "0.0371336723300530782081090878192885354107",
        "0.8063783164915810678601874061702664765244",
        "1e+30",
        10_000,
    ),
    Place(
        "A copy at 10^60",
        "-1.2963551381730362168083124512678293762280880643276421817831430741114338",
        "0.4418516057351966012128494760034198358048407708023320579982018681474435",
        "1e+60",
        10_000,
    ),
)
