"""usage: azure_container.py ENDPOINT ACCOUNT KEY CONTAINER: makes a container in a store that speaks Azure's protocol,
by a request with its shared key: ENDPOINT ends with the account's name."""

import base64
import email.utils
import hashlib
import hmac
import sys
import urllib.request

VERSION = "2023-11-03"
# Between the method and our headers: eleven that are not sent.
STANDARD_HEADERS = "\n" * 12

endpoint, account, key, container = sys.argv[1:]
date = email.utils.formatdate(usegmt=True)
headers = f"x-ms-date:{date}\nx-ms-version:{VERSION}\n"
resource = f"/{account}/{account}/{container}\nrestype:container"
signed = f"PUT{STANDARD_HEADERS}{headers}{resource}".encode()
signature = base64.b64encode(hmac.digest(base64.b64decode(key), signed, hashlib.sha256)).decode()
request = urllib.request.Request(
    f"{endpoint}/{container}?restype=container",
    method="PUT",
    headers={
        "x-ms-date": date,
        "x-ms-version": VERSION,
        "Authorization": f"SharedKey {account}:{signature}",
        "Content-Length": "0",
    },
)
urllib.request.urlopen(request)
