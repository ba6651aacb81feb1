"""Notifications over real sockets: e-mail, Slack, webhook and file; receivers that fail, refuse, are slow or away; crashes; alarms that tell."""
import gzip
import hashlib
import hmac
import json
import re

from receivers import SmtpServer, Webhook, certificate, running
from sending import wait_until
from serving import serving

TOPIC = "pipeline-notifications"


def configure(shoplake, text):
    shoplake.home.mkdir(exist_ok=True)
    (shoplake.home / "shoplake.yml").write_text(text)


def publish(shoplake, name, subject="shop_batch failed", message="States.TaskFailed\nwhile it loaded", topic=TOPIC):
    return shoplake("topic", "publish", topic, "--subject", subject, "--message", message, "--id", name, "--attribute", "flow=shop_batch")


def history(shoplake, name):
    (found,) = [one for one in shoplake("topic", "history", "--json").json() if one["id"] == name]
    return {delivery["subscription"].split(":")[0]: delivery for delivery in found["deliveries"]}


def test_every_channel_is_told_once(shoplake):
    with running(SmtpServer(), Webhook()) as (smtp, hook):
        configure(shoplake, f"""
topics:
  {TOPIC}:
    - {{email: ops@example.com}}
    - {{email: boss@example.com}}
    - {{slack: "{hook.address}/services/T0/B0/SECRET"}}
    - {{webhook: "{hook.address}/hook", secret: "${{HOOK_SECRET}}"}}
    - {{file: told.ndjson}}
  cost-alerts: [{{file: costs.ndjson}}]
smtp: {{host: 127.0.0.1, port: {smtp.port}, security: none, from: shoplake@example.com}}
""")
        secret = {"HOOK_SECRET": "the key"}
        shoplake("topic", "publish", TOPIC, "--subject", "Zähler: ALARM", "--message", "Größe\n.\nEnde", "--id", "run-1", "--attribute", "flow=shop_batch", env=secret)
        report = shoplake("topic", "deliver", "--json", env=secret).json()
        assert report == {"delivered": 5, "failed": 0, "refused": 0}
        assert shoplake("topic", "deliver", "--json", env=secret).json()["delivered"] == 0
        again = shoplake("topic", "publish", TOPIC, "--subject", "x", "--message", "y", "--id", "run-1", "--json", env=secret).json()
        assert again == {"id": "run-1", "is_new": False}

        assert sorted(to for mail in smtp.mails for to in mail["to"]) == ["TO:<boss@example.com>", "TO:<ops@example.com>"]
        message = smtp.message()
        assert message["Subject"] == "Zähler: ALARM" and message["X-Shoplake-Notification-Id"] == "run-1" and message["X-Shoplake-Topic"] == TOPIC
        assert message["From"].addresses[0].addr_spec == "shoplake@example.com"
        assert message.get_content().startswith("Größe\n.\nEnde\n\nflow: shop_batch\n")
        assert smtp.message(0)["Message-ID"] == smtp.message(1)["Message-ID"]

        by_path = {path: (headers, body) for path, headers, body in hook.requests}
        headers, body = by_path["/hook"]
        posted = json.loads(body)
        assert posted["Type"] == "Notification" and posted["MessageId"] == "run-1" and posted["TopicArn"].endswith(f":{TOPIC}")
        assert posted["Message"] == "Größe\n.\nEnde" and posted["MessageAttributes"] == {"flow": {"Type": "String", "Value": "shop_batch"}}
        signed = hmac.new(b"the key", headers["x-shoplake-timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
        assert headers["x-shoplake-signature"] == f"sha256={signed}"
        assert json.loads(by_path["/services/T0/B0/SECRET"][1])["text"].startswith("*Zähler: ALARM*\nGröße")
        (line,) = (shoplake.home / "told.ndjson").read_text().splitlines()
        assert json.loads(line) == posted
        assert not (shoplake.home / "costs.ndjson").exists()

        listed = shoplake("topic", "ls", "--json", env=secret)
        assert "SECRET" not in listed.stdout and "the key" not in listed.stdout
        (topic,) = [one for one in listed.json() if one["topic"] == TOPIC]
        assert [one["delivered"] for one in topic["subscriptions"]] == [1] * 5


def test_mail_goes_by_starttls_and_signs_in(shoplake, tmp_path):
    tls, authority = certificate(tmp_path / "good")
    _, other = certificate(tmp_path / "other")
    with running(SmtpServer(tls=tls, password="pass word")) as smtp:
        settings = "topics: {%s: [{email: ops@example.com}]}\nsmtp: {host: 127.0.0.1, port: %d, user: shoplake, password: '%s', from: shoplake@example.com, certificate_authorities: %s}\n"
        configure(shoplake, settings % (TOPIC, smtp.port, "pass word", other))
        publish(shoplake, "untrusted")
        assert shoplake("topic", "deliver", "--json", check=False).json() == {"delivered": 0, "failed": 1, "refused": 0}
        assert "certificate" in history(shoplake, "untrusted")["email"]["last_error"]
        configure(shoplake, settings % (TOPIC, smtp.port, "wrong", authority))
        publish(shoplake, "unknown")
        shoplake("topic", "deliver", check=False)
        delivery = history(shoplake, "unknown")["email"]
        assert delivery["state"] == "waiting" and smtp.mails == [], "a password can be put right"
        configure(shoplake, settings % (TOPIC, smtp.port, "pass word", authority))
        publish(shoplake, "trusted")
        shoplake("topic", "deliver", check=False)
        assert history(shoplake, "trusted")["email"]["state"] == "delivered"
        assert smtp.mails[-1]["encrypted"] and smtp.mails[-1]["signed_in"]
        wait_until(lambda: shoplake("topic", "deliver", check=False) and all(
            history(shoplake, name)["email"]["state"] == "delivered" for name in ("untrusted", "unknown")), "the others came later")


def test_a_server_without_tls_gets_no_mail_that_wants_it(shoplake):
    with running(SmtpServer()) as smtp:
        configure(shoplake, f"topics: {{{TOPIC}: [{{email: ops@example.com}}]}}\nsmtp: {{host: 127.0.0.1, port: {smtp.port}, from: shoplake@example.com}}\n")
        publish(shoplake, "plain")
        assert shoplake("topic", "deliver", "--json", check=False).json()["failed"] == 1
        assert smtp.mails == []


def test_what_a_receiver_refuses_is_given_up_and_what_fails_comes_again(shoplake):
    with running(SmtpServer(reject={"gone@": "550 5.1.1 no such user", "full@": "452 4.2.2 mailbox full"}), Webhook(500, 503)) as (smtp, hook):
        configure(shoplake, f"""
topics:
  {TOPIC}:
    - {{email: gone@example.com}}
    - {{webhook: "{hook.address}/hook"}}
  cost-alerts:
    - {{email: full@example.com}}
smtp: {{host: 127.0.0.1, port: {smtp.port}, security: none, from: shoplake@example.com}}
""")
        publish(shoplake, "n-1")
        publish(shoplake, "n-2", topic="cost-alerts")
        outcome = shoplake("topic", "deliver", "--json", check=False)
        assert outcome.returncode == 1 and outcome.json() == {"delivered": 0, "failed": 2, "refused": 1}
        assert history(shoplake, "n-1")["email"]["state"] == "refused" and "550" in history(shoplake, "n-1")["email"]["last_error"]
        assert history(shoplake, "n-2")["email"]["state"] == "waiting"
        assert "the answer was 500" in history(shoplake, "n-1")["webhook"]["last_error"]
        wait_until(lambda: shoplake("topic", "deliver", check=False) and history(shoplake, "n-1")["webhook"]["state"] == "delivered", "the webhook is told in the end")
        assert [body["MessageId"] for body in hook.bodies()] == ["n-1"] * 3
        assert history(shoplake, "n-1")["webhook"]["attempts"] == 3
        smtp.reject.clear()
        wait_until(lambda: shoplake("topic", "deliver", check=False) and history(shoplake, "n-2")["email"]["state"] == "delivered", "the mailbox has room again")


def test_killed_while_it_sends_it_is_sent_once_more_under_the_same_id(shoplake):
    with running(Webhook()) as hook:
        configure(shoplake, f"topics: {{{TOPIC}: [{{webhook: \"{hook.address}/hook\"}}]}}\n")
        publish(shoplake, "n-1")
        publish(shoplake, "n-2")
        for expected in (1, 2):
            hook.gate.clear()
            process = shoplake.start("topic", "deliver")
            hook.wait_for(expected)
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()
        hook.gate.set()
        shoplake("topic", "deliver", check=False)
        assert [body["MessageId"] for body in hook.bodies()] == ["n-1", "n-1", "n-2"], "twice at most"
        assert history(shoplake, "n-1")["webhook"]["state"] == "uncertain"
        assert history(shoplake, "n-2")["webhook"]["state"] == "delivered"


def test_a_slow_receiver_delays_nobody_else(shoplake):
    with running(Webhook(), Webhook()) as (slow, quick):
        configure(shoplake, f"topics: {{{TOPIC}: [{{webhook: \"{slow.address}/\"}}, {{webhook: \"{quick.address}/\"}}]}}\n")
        slow.gate.clear()
        with serving(shoplake) as served:
            for number in range(3):
                publish(shoplake, f"n-{number}")
            quick.wait_for(3)
            assert len(slow.wait_for(1)) == 1, "one at a time"
            slow.gate.set()
            slow.wait_for(3)
            assert [body["MessageId"] for body in slow.bodies()] == ["n-0", "n-1", "n-2"], "in their order"
            assert shoplake("topic", "deliver", check=False).returncode == 4, "the server delivers"
            wait_until(lambda: b'shoplake_notifications_total{topic="pipeline-notifications",outcome="delivered"} 6' in served.get("/metrics")[2], "six are counted")


ALARMS = """
alarms:
  - name: busy
    description: Somebody sends.
    metric: IncomingRecords
    statistic: Sum
    period: 10
    comparison: GreaterThanThreshold
    threshold: 2
    missing_data: notBreaching
    topic: pipeline-notifications
"""


def test_an_alarm_tells_its_begin_and_its_end(shoplake):
    """Periods of ten seconds, the shortest."""
    with running(Webhook()) as hook:
        configure(shoplake, f"topics: {{{TOPIC}: [{{webhook: \"{hook.address}/\"}}]}}\n")
        (shoplake.home / "alarms").mkdir()
        (shoplake.home / "alarms/own.yml").write_text(ALARMS)
        with serving(shoplake) as served:
            def send():
                body = "".join(json.dumps({"event_type": "page_view", "timestamp": "2026-11-21T05:15:00Z", "user_id": "u", "session_id": "s"}) + "\n" for _ in range(3))
                served.request("POST", "/v1/events/clickstream", body.encode())
                return hook.requests
            wait_until(send, "the alarm has told its begin", timeout=60)
            wait_until(lambda: len(hook.requests) == 2, "and its end", timeout=60)
            begin, end = hook.bodies()
            assert begin["Subject"] == "ALARM: busy" and end["Subject"] == "OK: busy"
            assert "Somebody sends." in begin["Message"] and begin["MessageAttributes"]["state"]["Value"] == "ALARM"
            assert begin["MessageId"] != end["MessageId"] and re.fullmatch(r"alarm/busy/\d+", begin["MessageId"])
            answer = served.api("alarms")
            assert answer["alarms"][0]["state"] == "OK" and [c["to"] for c in answer["history"]][:2] == ["OK", "ALARM"]
        assert [c["to"] for c in shoplake("alarm", "history", "busy", "--json").json()][:2] == ["OK", "ALARM"], "kept over the server's end"


CONVERSION_ALARM = """
alarms:
  - name: conversion
    metric: shoplake_conversion_rate_deviation
    statistic: Maximum
    period: 10
    comparison: GreaterThanThreshold
    threshold: 3
    missing_data: ignore
    topic: data-quality-alerts
"""


def test_a_day_without_orders_is_an_anomaly(shoplake, tmp_path):
    """From events through the marts and the gauge to the webhook; the shipped alarm has a period of five minutes."""
    generated = tmp_path / "events.ndjson.gz"
    shoplake("generate", "events", "--events", 60000, "--days", 10, "--seed", 5, "--out", generated)
    with gzip.open(generated, "rt") as file:
        events = [json.loads(line) for line in file]
    day = sorted({event["event_date"] for event in events})[-2]  # the newest may still be going on
    kept = tmp_path / "kept.ndjson.gz"
    with gzip.open(kept, "wt") as file:
        file.writelines(json.dumps(event) + "\n" for event in events if (event["event_date"], event["event_name"]) != (day, "purchase"))
    with running(Webhook()) as hook:
        configure(shoplake, f"topics: {{data-quality-alerts: [{{webhook: \"{hook.address}/\"}}]}}\n")
        (shoplake.home / "alarms").mkdir()
        (shoplake.home / "alarms/own.yml").write_text(CONVERSION_ALARM)
        shoplake("load", "events", kept)
        shoplake("build", "--exclude", "test_type:unit")
        with serving(shoplake) as served:
            ((_, _, body),) = hook.wait_for(1)
            assert json.loads(body)["Subject"] == "ALARM: conversion"
            metrics = dict(line.rsplit(" ", 1) for line in served.get("/metrics")[2].decode().splitlines() if not line.startswith("#"))
            assert float(metrics["shoplake_conversion_rate"]) == 0 and float(metrics["shoplake_conversion_rate_deviation"]) > 3
            assert served.stop() == 0


def test_an_alarm_is_tried(shoplake):
    with running(Webhook()) as hook:
        configure(shoplake, f"topics: {{{TOPIC}: [{{webhook: \"{hook.address}/\"}}]}}\n")
        shoplake("alarm", "test", "pipeline-down")
        (body,) = hook.bodies()
        assert body["Subject"] == "Test of ALARM: pipeline-down" and "This is a test" in body["Message"]
        assert shoplake("alarm", "show", "pipeline-down", "--json").json()["state"] == "INSUFFICIENT_DATA"
