#!/usr/bin/env python3
"""Scores recordings by PESQ (ITU-T P.862, P.862.2): pesq.py DIRECTORY

DIRECTORY holds pairs NAME.ref.wav and NAME.deg.wav of 16-bit mono PCM. 16 kHz files are scored wideband, 8 kHz files narrowband.
Prints `NAME score` for each. Needs: pip install pesq
"""

import pathlib
import sys
import wave

sys.path.pop(0)  # this folder: the script has the name of the module it needs

import numpy
from pesq import pesq


def read(path):
    with wave.open(str(path), "rb") as file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            raise SystemExit(f"{path}: 16-bit mono expected")
        return file.getframerate(), numpy.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    for reference in sorted(pathlib.Path(sys.argv[1]).glob("*.ref.wav")):
        name = reference.name.removesuffix(".ref.wav")
        rate, spoken = read(reference)
        heard_rate, heard = read(reference.with_name(f"{name}.deg.wav"))
        if rate != heard_rate:
            raise SystemExit(f"{name}: {rate} Hz against {heard_rate} Hz")
        print(f"{name} {pesq(rate, spoken, heard, 'wb' if rate == 16_000 else 'nb'):.3f}", flush=True)


if __name__ == "__main__":
    main()
