#!/usr/bin/env python3
"""Make the bucket of the artifacts where it is missing."""

import os
from pathlib import Path

import boto3
from botocore.exceptions import ClientError


def main() -> None:
    """Make the bucket that ``BUCKET`` names."""
    client = boto3.client(
        "s3",
        endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"],
        aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=Path(os.environ["S3_SECRET_KEY_FILE"]).read_text().strip(),
        region_name=os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
    )
    try:
        client.head_bucket(Bucket=os.environ["BUCKET"])
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        client.create_bucket(Bucket=os.environ["BUCKET"])


if __name__ == "__main__":
    main()
