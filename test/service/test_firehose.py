"""The Firehose API of `shoplake serve` with Amazon's own clients: boto3 and the AWS CLI, unmodified but for the endpoint."""
import json
import os
import pathlib
import subprocess
import sys

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import pytest
from serving import serving

KEY, SECRET = "AKIASHOPLAKETEST0001", "a/secret+of/tests"
KIB = 1024
ROLE = "arn:aws:iam::123456789012:role/firehose"
BUCKET = "arn:aws:s3:::shop"


@pytest.fixture(scope="module")
def served(tmp_path_factory, shoplake_in):
    shoplake = shoplake_in(tmp_path_factory.mktemp("firehose") / "home")
    shoplake("init")
    settings = shoplake.home / "shoplake.yml"
    settings.write_text(settings.read_text() + f'\ncollector:\n  access_keys: [{{id: {KEY}, secret: "{SECRET}"}}]\n  api_keys: [plain-key]\n')
    with serving(shoplake) as server:
        yield server


def client_of(served, key=KEY, secret=SECRET, **config):
    return boto3.client("firehose", endpoint_url=served.address, region_name="eu-central-1", aws_access_key_id=key, aws_secret_access_key=secret,
                        config=botocore.config.Config(retries={"max_attempts": 1, "mode": "standard"}, **config))


@pytest.fixture(scope="module")
def firehose(served):
    return client_of(served)


def refused(call, *arguments, **members):
    """(error type, message, HTTP status) of a call that must fail."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(*arguments, **members)
    error = caught.value.response
    return error["Error"]["Code"], error["Error"]["Message"], error["ResponseMetadata"]["HTTPStatusCode"]


def signed(served, operation, body, service="firehose", unsigned_body=None, **headers):
    """A request that boto3 would not make: any body, signed as it stands."""
    request = botocore.awsrequest.AWSRequest("POST", served.address + "/", data=body, headers={"X-Amz-Target": f"Firehose_20150804.{operation}", "Content-Type": "application/x-amz-json-1.1"} | headers)
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(KEY, SECRET), service, "us-east-1").add_auth(request)
    status, _, answer = served.request("POST", "/", body if unsigned_body is None else unsigned_body, dict(request.headers.items()))
    return status, json.loads(answer)


def records(*data):
    return [{"Data": each} for each in data]


def incoming(served, stream):
    """IncomingRecords of a stream, as /metrics says."""
    lines = served.get("/metrics")[2].decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f'IncomingRecords{{stream="{stream}"}}'))


def test_put_record(served, firehose):
    before = incoming(served, "clickstream")
    first = firehose.put_record(DeliveryStreamName="clickstream", Record={"Data": b'{"event_id":"a"}\n'})
    second = firehose.put_record(DeliveryStreamName="clickstream", Record={"Data": b'{"event_id":"b"}'})
    assert first["Encrypted"] is False
    assert int(second["RecordId"]) > int(first["RecordId"])
    assert incoming(served, "clickstream") == before + 2


def test_put_record_batch(served, firehose):
    before = incoming(served, "clickstream")
    answer = firehose.put_record_batch(DeliveryStreamName="clickstream", Records=records(*(json.dumps({"event_id": f"batch-{i}"}).encode() for i in range(500))))
    assert answer["FailedPutCount"] == 0
    assert len({each["RecordId"] for each in answer["RequestResponses"]}) == 500
    assert incoming(served, "clickstream") == before + 500


def test_an_empty_record_is_a_record(firehose):
    assert firehose.put_record(DeliveryStreamName="clickstream", Record={"Data": b""})["RecordId"]


def test_limits(firehose):
    put = dict(DeliveryStreamName="clickstream")
    code, message, status = refused(firehose.put_record_batch, **put, Records=records(*[b"x"] * 501))
    assert (code, status) == ("ValidationException", 400)
    assert "Member must have length less than or equal to 500" in message

    fits = [b"x" * 1000 * KIB] * 4 + [b"x" * (4 * KIB * KIB - 4 * 1000 * KIB)]
    assert firehose.put_record_batch(**put, Records=records(*fits))["FailedPutCount"] == 0
    assert refused(firehose.put_record_batch, **put, Records=records(*fits, b"x")) == ("InvalidArgumentException", "Records size exceeds 4 MB limit", 400)

    assert firehose.put_record(**put, Record={"Data": b"x" * 1000 * KIB})["RecordId"]
    code, message, status = refused(firehose.put_record, **put, Record={"Data": b"x" * (1000 * KIB + 1)})
    assert (code, status) == ("ValidationException", 400)
    assert "'record.data'" in message and "1024000" in message


def test_no_such_stream(firehose):
    code, message, status = refused(firehose.put_record, DeliveryStreamName="nobody", Record={"Data": b"x"})
    assert (code, message, status) == ("ResourceNotFoundException", "Firehose nobody under account 000000000000 not found.", 400)
    with pytest.raises(firehose.exceptions.ResourceNotFoundException):
        firehose.describe_delivery_stream(DeliveryStreamName="nobody")


@pytest.mark.parametrize("data", ["not base64", "YQ", "YQ=", "Y===", "YR==", "YQ==\n", 1, {}, ["YQ=="]])
def test_invalid_base64(served, data):
    status, error = signed(served, "PutRecord", json.dumps({"DeliveryStreamName": "clickstream", "Record": {"Data": data}}).encode())
    assert (status, error["__type"]) == (400, "SerializationException")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b'{"DeliveryStreamName":"clickstream"}{}', b"[" * 5000])
def test_bodies_that_are_no_request(served, body):
    status, error = signed(served, "PutRecordBatch", body)
    assert (status, error["__type"]) == (400, "SerializationException")


@pytest.mark.parametrize("body, where", [({}, "deliveryStreamName"), ({"DeliveryStreamName": "clickstream"}, "records"), ({"DeliveryStreamName": "clickstream", "Records": []}, "records"),
                                         ({"DeliveryStreamName": "clickstream", "Records": [{"Data": "YQ=="}, {}]}, "records.2.member.data"),
                                         ({"DeliveryStreamName": "a b", "Records": [{"Data": "YQ=="}]}, "deliveryStreamName")])
def test_constraints_of_the_model(served, body, where):
    status, error = signed(served, "PutRecordBatch", json.dumps(body).encode())
    assert (status, error["__type"]) == (400, "ValidationException")
    assert f"'{where}'" in error["message"]


def test_signatures(served):
    put = dict(DeliveryStreamName="clickstream", Record={"Data": b"x"})
    before = incoming(served, "clickstream")
    code, _, status = refused(client_of(served, secret="wrong").put_record, **put)
    assert (code, status) == ("InvalidSignatureException", 400)
    assert refused(client_of(served, key="AKIANOBODY").put_record, **put) == ("UnrecognizedClientException", "The security token included in the request is invalid.", 400)
    code, _, status = refused(client_of(served, signature_version=botocore.UNSIGNED).put_record, **put)
    assert (code, status) == ("MissingAuthenticationTokenException", 400)

    body = json.dumps({"DeliveryStreamName": "clickstream", "Record": {"Data": "YQ=="}}).encode()
    status, error = signed(served, "PutRecord", body, service="kinesis")
    assert (status, error["__type"]) == (400, "InvalidSignatureException")
    status, error = signed(served, "PutRecord", body, unsigned_body=body.replace(b"YQ==", b"Yg=="))
    assert (status, error["__type"]) == (400, "InvalidSignatureException")
    assert incoming(served, "clickstream") == before
    assert signed(served, "PutRecord", body)[0] == 200


def test_a_stream_from_creation_to_deletion(served, firehose):
    made = firehose.create_delivery_stream(
        DeliveryStreamName="orders", DeliveryStreamType="DirectPut",
        ExtendedS3DestinationConfiguration={
            "RoleARN": ROLE, "BucketARN": BUCKET, "Prefix": "orders/year=!{timestamp:yyyy}/month=!{timestamp:MM}/day=!{timestamp:dd}/", "CompressionFormat": "GZIP",
            "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 60},
            "ProcessingConfiguration": {"Enabled": True, "Processors": [{"Type": "AppendDelimiterToRecord", "Parameters": [{"ParameterName": "Delimiter", "ParameterValue": "\\n"}]}]},
        },
        Tags=[{"Key": "team", "Value": "shop"}])
    assert made["DeliveryStreamARN"].endswith(":deliverystream/orders")
    try:
        with pytest.raises(firehose.exceptions.ResourceInUseException):
            firehose.create_delivery_stream(DeliveryStreamName="orders", S3DestinationConfiguration={"RoleARN": ROLE, "BucketARN": BUCKET})
        names = firehose.list_delivery_streams()["DeliveryStreamNames"]
        assert {"clickstream", "events", "orders"} <= set(names)
        shown = firehose.describe_delivery_stream(DeliveryStreamName="orders")["DeliveryStreamDescription"]
        assert shown["DeliveryStreamStatus"] == "ACTIVE" and shown["CreateTimestamp"]
        (destination,) = shown["Destinations"]
        assert destination["ExtendedS3DestinationDescription"]["Prefix"] == "raw/orders/"
        firehose.update_destination(DeliveryStreamName="orders", CurrentDeliveryStreamVersionId=shown["VersionId"], DestinationId=destination["DestinationId"],
                                    ExtendedS3DestinationUpdate={"BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300}})
        with pytest.raises(firehose.exceptions.ConcurrentModificationException):
            firehose.update_destination(DeliveryStreamName="orders", CurrentDeliveryStreamVersionId=shown["VersionId"], DestinationId=destination["DestinationId"], ExtendedS3DestinationUpdate={})
        changed = firehose.describe_delivery_stream(DeliveryStreamName="orders")["DeliveryStreamDescription"]
        assert changed["VersionId"] == "2"
        assert changed["Destinations"][0]["ExtendedS3DestinationDescription"]["BufferingHints"] == {"SizeInMBs": 5, "IntervalInSeconds": 300}
        assert firehose.list_tags_for_delivery_stream(DeliveryStreamName="orders")["Tags"] == [{"Key": "team", "Value": "shop"}]
        assert firehose.put_record(DeliveryStreamName="orders", Record={"Data": b"{}"})["RecordId"]
    finally:
        firehose.delete_delivery_stream(DeliveryStreamName="orders")
    with pytest.raises(firehose.exceptions.ResourceNotFoundException):
        firehose.put_record(DeliveryStreamName="orders", Record={"Data": b"{}"})


def test_what_shoplake_does_not_do_is_refused(firehose):
    s3 = {"RoleARN": ROLE, "BucketARN": BUCKET}
    for more in ({"CompressionFormat": "Snappy"}, {"Prefix": "processed/events/"}, {"S3BackupMode": "Enabled"}, {"CustomTimeZone": "Europe/Berlin"}):
        with pytest.raises(firehose.exceptions.InvalidArgumentException):
            firehose.create_delivery_stream(DeliveryStreamName="refused", ExtendedS3DestinationConfiguration=s3 | more)
    with pytest.raises(firehose.exceptions.ResourceInUseException):
        firehose.delete_delivery_stream(DeliveryStreamName="events")


def aws(served, tmp_path, *arguments, key=KEY, secret=SECRET):
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1",
                   "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": ""}
    command = pathlib.Path(sys.executable).parent / "aws"
    return subprocess.run([sys.executable, str(command), "firehose", *map(str, arguments), "--endpoint-url", served.address, "--output", "json"], env=environment, capture_output=True, text=True, timeout=120)


def test_aws_cli(served, tmp_path):
    before = incoming(served, "clickstream")
    put = aws(served, tmp_path, "put-record", "--delivery-stream-name", "clickstream", "--record", json.dumps({"Data": '{"event_id":"cli"}\n'}))
    assert put.returncode == 0, put.stderr
    assert json.loads(put.stdout)["RecordId"]
    batch = tmp_path / "batch.json"
    batch.write_text(json.dumps([{"Data": f"line {i}"} for i in range(3)]))
    put = aws(served, tmp_path, "put-record-batch", "--delivery-stream-name", "clickstream", "--records", f"file://{batch}")
    assert json.loads(put.stdout)["FailedPutCount"] == 0, put.stderr
    assert incoming(served, "clickstream") == before + 4
    shown = json.loads(aws(served, tmp_path, "describe-delivery-stream", "--delivery-stream-name", "events").stdout)
    assert shown["DeliveryStreamDescription"]["DeliveryStreamARN"] == "arn:aws:firehose:us-east-1:000000000000:deliverystream/events"
    wrong = aws(served, tmp_path, "list-delivery-streams", secret="wrong")
    assert wrong.returncode != 0 and "InvalidSignatureException" in wrong.stderr
    too_many = tmp_path / "many.json"
    too_many.write_text(json.dumps([{"Data": "x"}] * 501))
    refused_batch = aws(served, tmp_path, "put-record-batch", "--delivery-stream-name", "clickstream", "--records", f"file://{too_many}")
    assert "ValidationException" in refused_batch.stderr


# --- the plain endpoint ---


def post(served, stream, body, **headers):
    status, fields, answer = served.request("POST", f"/v1/events/{stream}", body, {"X-Api-Key": "plain-key"} | {k.replace("_", "-"): v for k, v in headers.items()})
    return status, json.loads(answer)


def test_plain_events(served):
    assert post(served, "clickstream", b'{"event_id":"1"}') == (200, {"accepted": 1, "rejected": []})
    assert post(served, "clickstream", b'[{"event_id":"2"},{"event_id":"3"}]')[1]["accepted"] == 2
    assert post(served, "clickstream", b'{"event_id":"4"}\n{"event_id":"5"}\n')[1]["accepted"] == 2
    status, answer = post(served, "clickstream", b'{"event_id":"6"}\nnonsense\n7\n')
    assert status == 200 and answer["accepted"] == 1
    assert [(each["index"], each["reason"]) for each in answer["rejected"]] == [(1, "collect.not_json"), (2, "collect.not_an_object")]


def test_plain_refusals(served):
    assert post(served, "clickstream", b"nonsense")[0] == 400
    assert post(served, "nobody", b"{}")[0] == 404
    assert post(served, "clickstream", b"{}", X_Api_Key="other")[0] == 401
    assert post(served, "clickstream", b"{}", X_Api_Key="", Authorization="Bearer plain-key")[0] == 200
    assert post(served, "clickstream", b'{"a":"' + b"x" * 1_100_000 + b'"}')[0] == 413
    assert post(served, "clickstream", b"{}", Content_Encoding="br")[0] == 415


def test_pages_of_other_sites_may_send_with_a_key(served):
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key,content-type"}
    status, fields, _ = served.request("OPTIONS", "/v1/events/clickstream", None, asked)
    assert status == 204
    assert fields["access-control-allow-origin"] == "https://shop.example"
    assert "x-api-key" in fields["access-control-allow-headers"]
