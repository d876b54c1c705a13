# SPDX-License-Identifier: Apache-2.0
"""A small client of the Container Runtime Interface, v1: what a kubelet says.

The messages are those parts of the interface that the tests use, as a table: in each
line a message, then its fields as NAME=NUMBER:TYPE; a ``*`` is for many.
"""

from __future__ import annotations

import functools
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "runtime.v1"
MESSAGES = """
PodSandboxMetadata name=1:string uid=2:string namespace=3:string attempt=4:uint32
NamespaceOption network=1:int32 pid=2:int32 ipc=3:int32 target_id=4:string
LinuxSandboxSecurityContext namespace_options=1:NamespaceOption
LinuxPodSandboxConfig cgroup_parent=1:string \
    security_context=2:LinuxSandboxSecurityContext
PodSandboxConfig metadata=1:PodSandboxMetadata hostname=2:string \
    log_directory=3:string linux=8:LinuxPodSandboxConfig
RunPodSandboxRequest config=1:PodSandboxConfig runtime_handler=2:string
RunPodSandboxResponse pod_sandbox_id=1:string
StopPodSandboxRequest pod_sandbox_id=1:string
StopPodSandboxResponse
RemovePodSandboxRequest pod_sandbox_id=1:string
RemovePodSandboxResponse
PodSandboxStatusRequest pod_sandbox_id=1:string
PodSandboxNetworkStatus ip=1:string
PodSandboxStatus id=1:string state=3:int32 network=5:PodSandboxNetworkStatus \
    runtime_handler=9:string
PodSandboxStatusResponse status=1:PodSandboxStatus
PodSandbox id=1:string state=3:int32
ListPodSandboxRequest
ListPodSandboxResponse items=1:*PodSandbox
ImageSpec image=1:string
ContainerMetadata name=1:string attempt=2:uint32
LinuxContainerResources cpu_period=1:int64 cpu_quota=2:int64 cpu_shares=3:int64 \
    memory_limit_in_bytes=4:int64
LinuxContainerSecurityContext namespace_options=3:NamespaceOption
LinuxContainerConfig resources=1:LinuxContainerResources \
    security_context=2:LinuxContainerSecurityContext
ContainerConfig metadata=1:ContainerMetadata image=2:ImageSpec command=3:*string \
    args=4:*string log_path=11:string stdin=12:bool linux=15:LinuxContainerConfig
CreateContainerRequest pod_sandbox_id=1:string config=2:ContainerConfig \
    sandbox_config=3:PodSandboxConfig
CreateContainerResponse container_id=1:string
StartContainerRequest container_id=1:string
StartContainerResponse
StopContainerRequest container_id=1:string timeout=2:int64
StopContainerResponse
RemoveContainerRequest container_id=1:string
RemoveContainerResponse
Container id=1:string
ListContainersRequest
ListContainersResponse containers=1:*Container
ContainerStatusRequest container_id=1:string
ContainerStatus id=1:string state=3:int32 exit_code=7:int32 reason=10:string
ContainerStatusResponse status=1:ContainerStatus
UpdateContainerResourcesRequest container_id=1:string linux=2:LinuxContainerResources
UpdateContainerResourcesResponse
ExecSyncRequest container_id=1:string cmd=2:*string timeout=3:int64
ExecSyncResponse stdout=1:bytes stderr=2:bytes exit_code=3:int32
UInt64Value value=1:uint64
CpuUsage timestamp=1:int64 usage_core_nano_seconds=2:UInt64Value
MemoryUsage timestamp=1:int64 working_set_bytes=2:UInt64Value
ContainerStats cpu=2:CpuUsage memory=3:MemoryUsage
ContainerStatsRequest container_id=1:string
ContainerStatsResponse stats=1:ContainerStats
PortForwardRequest pod_sandbox_id=1:string port=2:*int32
PortForwardResponse url=1:string
StatusRequest
RuntimeCondition type=1:string status=2:bool message=4:string
RuntimeStatus conditions=1:*RuntimeCondition
StatusResponse status=1:RuntimeStatus
"""

RUNNING, EXITED = 1, 2
"""States of a container."""


@functools.cache
def _classes() -> dict[str, Any]:
    """Make the classes of the table."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="cri.proto", package=PACKAGE, syntax="proto3"
    )
    for line in MESSAGES.strip().splitlines():
        name, *fields = line.split()
        message = file.message_type.add(name=name)
        for text in fields:
            field, _, rest = text.partition("=")
            number, _, kind = rest.partition(":")
            added = message.field.add(name=field, number=int(number))
            added.label = kinds.LABEL_OPTIONAL
            if kind.startswith("*"):
                added.label = kinds.LABEL_REPEATED
                kind = kind[1:]
            if kind[0].isupper():
                added.type = kinds.TYPE_MESSAGE
                added.type_name = f".{PACKAGE}.{kind}"
            else:
                added.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        message.name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"{PACKAGE}.{message.name}")
        )
        for message in file.message_type
    }


class Cri:
    """The service at a socket: ``cri("RunPodSandbox", config={...})``."""

    def __init__(self, path: str) -> None:
        self._channel = grpc.insecure_channel(f"unix:{path}")

    def __call__(self, name: str, **fields: Any) -> Any:
        """Call a method with the fields of its request; return its response."""
        classes = _classes()
        call = self._channel.unary_unary(
            f"/{PACKAGE}.RuntimeService/{name}",
            request_serializer=classes[f"{name}Request"].SerializeToString,
            response_deserializer=classes[f"{name}Response"].FromString,
        )
        return call(classes[f"{name}Request"](**fields), timeout=60)

    def close(self) -> None:
        """Leave."""
        self._channel.close()
