"""The colours of the demo's art prints, and how warm and how vivid each set of them is."""

import colorsys
from dataclasses import dataclass

Colour = tuple[int, int, int]

_TINT = 0.30  # how much ink a tinted ground takes
_NIGHT = 0.12  # how much light the ink of a night ground keeps
_FAR_APART = 60  # inks closer than this to the ground would not be seen


@dataclass(frozen=True)
class Palette:
    """A paper, an ink for lines and nights, and the colours of the shapes."""

    name: str
    paper: Colour
    ink: Colour
    colours: tuple[Colour, ...]

    @property
    def warmth(self) -> float:
        """The mean of red less blue, from −1 to 1."""
        return sum(red - blue for red, _, blue in self.colours) / len(self.colours) / 255

    @property
    def vividness(self) -> float:
        """The mean chroma, from 0 (grey) to 1 (pure)."""
        return sum(max(colour) - min(colour) for colour in self.colours) / len(self.colours) / 255

    def ground(self, darkness: int) -> Colour:
        """Return the background: −1 is the paper, 0 a tint of the first colour, 1 the night."""
        if darkness < 0:
            return self.paper
        if darkness == 0:
            return mix(self.paper, self.colours[0], _TINT)
        return mix(self.ink, self.colours[0], _NIGHT)

    def inks(self, darkness: int) -> tuple[Colour, ...]:
        """Return the colours that stand out from the ground."""
        ground = self.ground(darkness)
        seen = [self.paper if darkness >= 0 else self.ink]
        return (*(c for c in self.colours if _distance(c, ground) > _FAR_APART), *seen)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return a colour between two; `share` 0 is the first, 1 the second."""
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _distance(one: Colour, other: Colour) -> float:
    return float(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5)


def lighten(colour: Colour, by: float) -> Colour:
    """Return a colour lighter (or, below 0, darker) by a share of the whole range."""
    hue, light, saturation = colorsys.rgb_to_hls(*(part / 255 for part in colour))
    red, green, blue = colorsys.hls_to_rgb(hue, min(max(light + by, 0), 1), saturation)
    return round(255 * red), round(255 * green), round(255 * blue)


def _palette(name: str, paper: str, ink: str, *colours: str) -> Palette:
    return Palette(name, _rgb(paper), _rgb(ink), tuple(_rgb(colour) for colour in colours))


def _rgb(text: str) -> Colour:
    return int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16)


PALETTES = (
    _palette("Ember", "F4E7D1", "2B1B19", "D2452E", "EC8F3C", "F3BD4F", "7E2A27", "E8C9A0"),
    _palette("Marigold", "F7ECD4", "35261B", "E6A62C", "DB6F2B", "8F3D22", "F4D48B", "57705A"),
    _palette("Terracotta", "F0E2D3", "38282A", "BC5A3C", "DDA07F", "8B4937", "E9C6A6", "5E6B66"),
    _palette("Rose", "F6E7E1", "38212D", "CB5770", "E99FA3", "8F3A56", "F2C7B4", "D98C4A"),
    _palette("Workshop", "F3ECDD", "1D1D20", "D4382C", "1E59A5", "F1BF2C", "2B2B2F", "E8E0CF"),
    _palette("Olive", "F0EBD8", "2A2D20", "7E8743", "BDB25E", "4D5936", "DACB8C", "B5693B"),
    _palette("Forest", "EAECDD", "1B2823", "2E6C50", "82AD8D", "CBB957", "16402F", "C7D3B4"),
    _palette("Lagoon", "E8EFEA", "112E38", "1C808D", "70C2BA", "F1C56C", "0E4A5B", "E78A5E"),
    _palette("Cobalt", "EAEEF3", "131F3B", "2457A8", "81A9D9", "E9B64E", "102F69", "BFD3E8"),
    _palette("Slate", "EDEDEA", "24282D", "5D6B77", "9DA9B1", "C8BCA9", "3A4550", "7F8C8A"),
    _palette("Dusk", "EFE7EE", "281931", "6B3C7C", "B27DB2", "E3A59F", "402453", "F0C9A8"),
    _palette("Sand", "F2EBE0", "463B31", "AB977F", "CFC1AB", "7D6B56", "E3D8C5", "94857A"),
)
