#!/usr/bin/env python3
"""Copy the bucket of the artifacts: ``pull`` writes a tar file to stdout, ``push`` reads one."""

import os
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import boto3

_IN_MEMORY = 16 * 2**20


def client() -> Any:
    """A client of the S3 server that the environment names."""
    return boto3.client(
        "s3",
        endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"],
        aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=Path(os.environ["S3_SECRET_KEY_FILE"]).read_text().strip(),
        region_name=os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
    )


def pull(bucket: str) -> int:
    """Write every object to a tar file on stdout; returns how many."""
    s3, count = client(), 0
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for item in (item for page in pages for item in page.get("Contents", ())):
            # In one stream: parts that arrive out of order would tell a wrong size.
            stored = s3.get_object(Bucket=bucket, Key=item["Key"])
            member = tarfile.TarInfo(item["Key"])
            member.size = stored["ContentLength"]
            member.mtime = int(stored["LastModified"].timestamp())
            tar.addfile(member, stored["Body"])  # fails if fewer bytes come
            count += 1
    return count


def push(bucket: str) -> int:
    """Store every file of a tar file on stdin as an object; returns how many."""
    s3, count = client(), 0
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
        for member in tar:
            body = tar.extractfile(member)
            if body is not None:
                with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:  # the stream cannot seek
                    copy.write(body.read())
                    copy.seek(0)
                    s3.upload_fileobj(copy, bucket, member.name)
                count += 1
    return count


if __name__ == "__main__":
    done = {"pull": pull, "push": push}[sys.argv[1]](os.environ["BUCKET"])
    print(f"{done} objects", file=sys.stderr)
