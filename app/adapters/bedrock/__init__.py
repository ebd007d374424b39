"""Amazon Bedrock's Converse, ConverseStream and CountTokens, as boto3 and the other AWS SDKs speak them."""
