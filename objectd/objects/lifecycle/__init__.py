"""Lifecycle: rules of a bucket, by which its versions and uploads end.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html
"""
