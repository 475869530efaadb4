import {
  addressOf,
  bodySizeBytesDefault,
  type EdgePlan,
  health,
  type PathException,
  timeoutSecDefault,
} from './plan.ts';

/**
 * A whole `nginx.conf` for nginx ≥ 1.22. The free nginx does not ask for health by itself: it takes an instance out by requests
 * that fail, which `proxy_next_upstream` then sends to another.
 */
export function renderNginx(plan: EdgePlan): string {
  const { listen, tls, gateways, perAddress, exceptions } = plan;
  const servers = gateways.map(
    (gateway) => `    server ${addressOf(gateway)} max_fails=${health.failuresMax} fail_timeout=${health.everySec}s;`,
  );
  return `# Made by \`holdfast render nginx\`. Change the topology, not this.
worker_processes auto;
worker_rlimit_nofile 65536;
error_log stderr warn;

events {
  worker_connections 16384;
}

http {
  access_log off;
  server_tokens off;
  default_type application/octet-stream;

  # Who is slow or sends too much does not keep others waiting.
  client_header_timeout 10s;
  client_body_timeout 10s;
  send_timeout 30s;
  keepalive_timeout 30s;
  large_client_header_buffers 4 16k;
  client_max_body_size ${bodySizeBytesDefault};
  limit_req_zone $binary_remote_addr zone=address:10m rate=${perAddress}r/s;
  limit_conn_zone $binary_remote_addr zone=connections:10m;
  limit_req_status 429;
  limit_conn_status 429;

  # What replies say about caching is kept to; so that a change is seen, products say how long by CDN-Cache-Control,
  # which nginx does not read: it asks each time, and gets 304.
  map $http_upgrade $connection_upgrade {
    default upgrade;
    '' '';
  }
  upstream gateways {
    zone gateways 64k;
    random two least_conn;
${servers.join('\n')}
    keepalive 64;
  }

  server {
    listen ${addressOf(listen)}${tls ? ' ssl http2' : ''} reuseport;
    server_name _;
${tls ? tlsOf(tls) : ''}
    # Paths as they came: the gateway judges them, and no hop reads them another way.
    merge_slashes off;
    limit_req zone=address burst=${perAddress} nodelay;
    limit_conn connections 200;

    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    # Said among processes of ours alone.
    proxy_set_header Holdfast-Hop '';
    proxy_hide_header Holdfast-Fault;
    proxy_hide_header Holdfast-Trace;
    proxy_connect_timeout 2s;
    proxy_read_timeout ${timeoutSecDefault}s;
    # Never for a POST that was sent: its effect is unknown.
    proxy_next_upstream error timeout http_503;
    proxy_next_upstream_tries 3;

${exceptions.map(locationOf).join('\n')}
    location / {
      proxy_pass http://gateways;
    }
  }
}
`;
}

function tlsOf({ certFile, keyFile }: NonNullable<EdgePlan['tls']>): string {
  return `    ssl_certificate ${certFile};
    ssl_certificate_key ${keyFile};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    ssl_prefer_server_ciphers on;
    ssl_session_cache shared:tls:10m;
    ssl_session_tickets off;
    add_header Strict-Transport-Security "max-age=31536000" always;
`;
}

function locationOf({ method, pattern, bodySizeBytesMax, timeoutSec, isStream }: PathException): string {
  const stream = isStream ? '\n      proxy_buffering off;\n      proxy_request_buffering off;' : '';
  return `    # ${method}
    location ~ ${pattern} {
      client_max_body_size ${bodySizeBytesMax};
      proxy_read_timeout ${timeoutSec}s;${stream}
      proxy_pass http://gateways;
    }`;
}
