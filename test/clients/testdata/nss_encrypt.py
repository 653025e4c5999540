"""Encrypts texts with the key of a profile, as Mozilla's programs keep passwords: PROFILE TEXT..."""

import base64
import ctypes
import sys


class Item(ctypes.Structure):
    """SECItem of NSS."""

    _fields_ = [("type", ctypes.c_uint), ("data", ctypes.c_void_p), ("len", ctypes.c_uint)]


def check(status, what):
    if status != 0:
        sys.exit(f"{what} failed")


nss = ctypes.CDLL("libnss3.so")
check(nss.NSS_InitReadWrite(("sql:" + sys.argv[1]).encode()), "NSS_InitReadWrite")
for text in sys.argv[2:]:
    clear = ctypes.create_string_buffer(text.encode())
    key, out = Item(), Item()
    data = Item(0, ctypes.cast(clear, ctypes.c_void_p), len(clear) - 1)
    check(nss.PK11SDR_Encrypt(ctypes.byref(key), ctypes.byref(data), ctypes.byref(out), None), "PK11SDR_Encrypt")
    print(base64.b64encode(ctypes.string_at(out.data, out.len)).decode())
check(nss.NSS_Shutdown(), "NSS_Shutdown")
