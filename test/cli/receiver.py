"""What a service manager would hear: binds the unix datagram socket and prints each datagram with its sender's pid."""
import array
import json
import os
import socket
import struct
import sys

inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
inbox.bind(sys.argv[1])
inbox.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
print(json.dumps({"bound": sys.argv[1]}), flush=True)
while True:
    said, ancillary, _, _ = inbox.recvmsg(4096, 256)
    pid = 0
    for _, kind, data in ancillary:
        if kind == socket.SCM_CREDENTIALS:
            [pid] = struct.unpack("i", data[:4])
        if kind == socket.SCM_RIGHTS:
            # Whoever waits for its message to have been read waits for this to be closed.
            for fd in array.array("i", data):
                os.close(fd)
    print(json.dumps({"said": said.decode(), "pid": pid}), flush=True)
