"""usage: identity.py CERTIFICATE KEY BUCKET FOLDER: gives moto's server, at https://localhost, a bucket and a role
that may do everything with S3, assumes it, and has moto ask everybody who he is from there on.

What was assumed is written to FOLDER/identity.json. Then it is what moto is not. The agent beside containers, at
http://169.254.170.2: /task gives the credentials to whoever asks, /pod to who brings the word in FOLDER/pod-token.
And STS as far as AWS takes its words in the query: moto wants them in the body, and is asked that way.
"""

import http.server
import json
import os
import ssl
import sys
import threading
import urllib.parse
import urllib.request

import boto3
from botocore.config import Config

ENDPOINT = "https://localhost"
AGENT = ("169.254.170.2", 80)
STS = ("127.0.0.2", 443)
EVERYTHING = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
POD_TOKEN = "a-word"

certificate, key, bucket, folder = sys.argv[1:]
trusted = ssl.create_default_context(cafile=certificate)


def client(service):
    return boto3.client(
        service,
        endpoint_url=ENDPOINT,
        verify=certificate,
        region_name="us-east-1",
        aws_access_key_id="anybody",
        aws_secret_access_key="anything",
        config=Config(s3={"addressing_style": "path"}),
    )


client("s3").create_bucket(Bucket=bucket)
iam = client("iam")
role = iam.create_role(RoleName="tier", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
policy = json.dumps({"Version": "2012-10-17", "Statement": [EVERYTHING]})
iam.put_role_policy(RoleName="tier", PolicyName="everything", PolicyDocument=policy)
assumed = client("sts").assume_role(RoleArn=role, RoleSessionName="highwater")["Credentials"]
credentials = {
    "AccessKeyId": assumed["AccessKeyId"],
    "SecretAccessKey": assumed["SecretAccessKey"],
    "Token": assumed["SessionToken"],
    "Expiration": assumed["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
}
# What calls itself a form is not read.
ask_everybody = urllib.request.Request(
    f"{ENDPOINT}/moto-api/reset-auth", data=b"0", method="POST", headers={"Content-Type": "text/plain"}
)
urllib.request.urlopen(ask_everybody, context=trusted)


class Answering(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Agent(Answering):
    def do_GET(self):
        known = self.path == "/task" or self.headers.get("Authorization") == POD_TOKEN
        self.answer(*((200, json.dumps(credentials).encode()) if known else (403, b"who are you?")))


class Sts(Answering):
    def do_POST(self):
        words = urllib.parse.urlsplit(self.path).query.encode()
        with urllib.request.urlopen(f"{ENDPOINT}/", words, context=trusted) as answered:
            self.answer(answered.status, answered.read())


agent = http.server.ThreadingHTTPServer(AGENT, Agent)
sts = http.server.ThreadingHTTPServer(STS, Sts)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(certificate, key)
sts.socket = tls.wrap_socket(sts.socket, server_side=True)
with open(os.path.join(folder, "pod-token"), "w") as file:
    file.write(POD_TOKEN)
with open(os.path.join(folder, "identity.new"), "w") as file:
    json.dump({"role": role, **credentials}, file)
os.rename(os.path.join(folder, "identity.new"), os.path.join(folder, "identity.json"))
threading.Thread(target=sts.serve_forever, daemon=True).start()
agent.serve_forever()
