"""Create the bucket of REGISTRY_STORAGE_URL unless it exists; compose runs it once, before the service starts.

It uses the service's image and settings, so that it talks to the same server with the same credentials.
"""

import os
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

# The two words are S3's; the codes say that the wanted state holds already.
EXISTS = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


def main() -> None:
    bucket = urlsplit(os.environ["REGISTRY_STORAGE_URL"]).netloc
    store = boto3.client(
        "s3",
        endpoint_url=os.environ["REGISTRY_S3_ENDPOINT_URL"],
        region_name=os.environ["REGISTRY_S3_REGION"],
        config=Config(
            s3={"addressing_style": "path"},
            retries={"mode": "standard", "max_attempts": 10},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    try:
        store.create_bucket(Bucket=bucket)
    except store.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in EXISTS:
            raise
    store.head_bucket(Bucket=bucket)
    print(f"bucket {bucket} is ready")


main()
