"""A client that knows nothing but reflection: it asks for the descriptors, lets Debian's protobuf check them, makes its
messages of them and calls. What it was told goes out as JSON lines."""
import json
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

channel = grpc.insecure_channel(sys.argv[1])
version = sys.argv[2]
home = "grpc.reflection." + version


def tell(what, *values):
    print(json.dumps([what, *values]))


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def fields(data):
    """The fields of a message whose descriptor is not known yet."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        assert tag & 7 == 2, tag
        length, at = varint(data, at)
        yield tag >> 3, data[at : at + length]
        at += length


# `file_containing_symbol`, by hand: the messages of reflection are not known either.
symbol = (home + ".ServerReflection").encode()
path = f"/{home}.ServerReflection/ServerReflectionInfo"
raw = channel.stream_stream(path, request_serializer=None, response_deserializer=None)
[answer] = raw(iter([bytes([4 << 3 | 2, len(symbol)]) + symbol]), timeout=10)
pool = descriptor_pool.DescriptorPool()
[files] = [data for number, data in fields(answer) if number == 4]


def add(descriptors):
    """Adds files that are not there yet; what a file needs comes after it."""
    for each in reversed(list(descriptors)):
        file = descriptor_pb2.FileDescriptorProto.FromString(each)
        try:
            pool.FindFileByName(file.name)
        except KeyError:
            pool.Add(file)


add(data for _, data in fields(files))
factory = message_factory.MessageFactory(pool)


def message(name):
    return factory.GetPrototype(pool.FindMessageTypeByName(name))


Request = message(home + ".ServerReflectionRequest")
Response = message(home + ".ServerReflectionResponse")
ask = channel.stream_stream(path, Request.SerializeToString, Response.FromString)


def asked(*requests):
    return list(ask(iter(requests), timeout=10))


[listed] = asked(Request(list_services=""))
services = [each.name for each in listed.list_services_response.service]
tell("services", services)
for each in asked(*[Request(file_containing_symbol=name) for name in services]):
    add(each.file_descriptor_response.file_descriptor_proto)
for name in services:
    tell("methods", name, [each.name for each in pool.FindServiceByName(name).methods])


def call(service, method, **values):
    found = pool.FindServiceByName(service).FindMethodByName(method)
    Input, Output = [factory.GetPrototype(each) for each in (found.input_type, found.output_type)]
    send = channel.unary_unary(f"/{service}/{method}", Input.SerializeToString, Output.FromString)
    return send(Input(**values), timeout=10)


KV = "etcdserverpb.KV"
key = version.encode()
tell("put", call(KV, "Put", key=key, value=b"1").header.revision > 1)
[kv] = call(KV, "Range", key=key).kvs
tell("range", kv.key.decode(), kv.value.decode(), kv.version)
Op, Compare = message("etcdserverpb.RequestOp"), message("etcdserverpb.Compare")
put = Op()
put.request_put.key, put.request_put.value = key, b"2"
done = call(KV, "Txn", compare=[Compare(target="VERSION", version=1, key=key)], success=[put])
tell("txn", done.succeeded, [each.WhichOneof("response") for each in done.responses])
tell("status", call("etcdserverpb.Maintenance", "Status").version)
[missing] = asked(Request(file_containing_symbol="etcdserverpb.Nothing"))
tell("missing", missing.error_response.error_code, missing.original_request.file_containing_symbol)
