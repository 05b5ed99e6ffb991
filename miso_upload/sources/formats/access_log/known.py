"""Defines the built-in layouts, which servers write by default.

No line matches two layouts, except for the fallbacks, which are tried last. So the order of the
other layouts does not matter. Sources: the manuals of Apache httpd (mod_log_config), nginx
(ngx_http_log_module), Amazon ELB (access logs of both kinds of load balancer), Amazon S3 (server
access log format), Envoy (default access log format) and Istio (default of the mesh).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from miso_upload.sources.formats.access_log.fields import Field
from miso_upload.sources.formats.access_log.notation import layout_of

if TYPE_CHECKING:
    from miso_upload.sources.formats.access_log.layout import Layout

_REQUEST = '%l %u %t "%r" %>s %b'
_COMMON = f'%h {_REQUEST}%( "%{{Referer}}i" "%{{User-Agent}}i"%)'
"""The common and the combined format, with optional further fields."""
_OF_HOST = f'%v%(:%p%) %a {_REQUEST}%( "%{{Referer}}i" "%{{User-Agent}}i"%)'
"""The same after the name of the host."""

_LOAD_BALANCER = (
    "$listener $time_iso8601 $elb $remote_addr:$client_port $target $request_processing_time "
    "$target_processing_time $response_processing_time $status $target_status_code "
    '$received_bytes $bytes_sent "$request" "$http_user_agent" $ssl_cipher $ssl_protocol '
    '$target_group_arn "$trace_id" "$host" "$chosen_cert_arn"$*'
)
_LOAD_BALANCER_REST = (
    "matched_rule_priority",
    "request_creation_time",
    "actions_executed",
    "redirect_url",
    "error_reason",
    "target_port_list",
    "target_status_code_list",
    "classification",
    "classification_reason",
    "conn_trace_id",
)
_CLASSIC_BALANCER = (
    "$time_iso8601 $elb $remote_addr:$client_port $backend $request_processing_time "
    "$backend_processing_time $response_processing_time $status $backend_status_code "
    '$received_bytes $bytes_sent "$request"$( "$http_user_agent" $ssl_cipher $ssl_protocol$)'
)
_BUCKET = (
    "$bucket_owner $bucket [$time_local] $remote_addr $requester $request_id $operation $key "
    '"$request" $status $error_code $bytes_sent $object_size $total_time $turn_around_time '
    '"$http_referer" "$http_user_agent" $version_id$*'
)
_BUCKET_REST = (
    "host_id",
    "signature_version",
    "cipher_suite",
    "authentication_type",
    "host",
    "tls_version",
    "access_point_arn",
    "acl_required",
)


_ENVOY_AHEAD = '[$time_iso8601] "$request" $status $response_flags '
_ENVOY = (
    "$bytes_received $bytes_sent $request_duration $upstream_service_time "
    '"$http_x_forwarded_for" "$http_user_agent" "$request_id" "$http_host" "$upstream_host"$*'
)
_ISTIO_AHEAD = '$response_code_details $connection_termination_details "$transport_failure" '
_ISTIO_REST = (
    "upstream_cluster",
    "upstream_local_address",
    "downstream_local_address",
    "downstream_remote_address",
    "requested_server_name",
    "route_name",
)


def _of_envoy(text: str, rest: tuple[str, ...] = ()) -> Layout:
    """Return a layout of Envoy, which has no address except in the forwarded list.

    Envoy appends the address that connected to the list, so the list is the `ip`.
    """
    layout = layout_of(text, rest)
    return replace(
        layout,
        parts=tuple(
            replace(part, role="ip")
            if isinstance(part, Field) and part.role == "forwarded_for"
            else part
            for part in layout.parts
        ),
    )


@cache
def known_layouts() -> tuple[Layout, ...]:
    """Return the layouts in the order in which lines are matched against them."""
    common, of_host = layout_of(f"{_COMMON}%*"), layout_of(f"{_OF_HOST}%*")
    return (
        common,
        of_host,
        layout_of(_LOAD_BALANCER, _LOAD_BALANCER_REST),
        layout_of(_CLASSIC_BALANCER),
        layout_of(_BUCKET, _BUCKET_REST),
        _of_envoy(f"{_ENVOY_AHEAD}{_ENVOY}"),
        _of_envoy(f"{_ENVOY_AHEAD}{_ISTIO_AHEAD}{_ENVOY}", _ISTIO_REST),
        *(replace(layout_of(each), plain_quotes=True) for each in (_COMMON, _OF_HOST)),
    )
