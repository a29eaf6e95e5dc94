package main

import (
	"fmt"

	"github.com/caddy-portico/portico/internal/loopback"
)

// peers starts the other caches that are installed, as contestants in front of
// the same origin, and says which are not there. stop ends them.
func (b *bench) peers() (contestants []contestant, stop func()) {
	for _, peer := range []struct {
		name  string
		start func() (contestant, error)
	}{
		{"nginx proxy_cache", b.startNginx},
		{"Varnish", b.startVarnish},
	} {
		c, err := peer.start()
		if err != nil {
			b.report.absent(peer.name, err)
			continue
		}
		c.name = peer.name
		contestants = append(contestants, c)
	}
	return contestants, func() {
		for _, c := range contestants {
			c.server.stop()
		}
	}
}

// nginxConf is nginx as its documentation tunes it for a cache: one worker
// for each CPU, files in memory where possible, kept-alive connections on
// both sides, collapsed misses, no access log. Not tcp_nopush: with kept-alive
// connections over the loopback its corked last segment waits 40 ms for a
// delayed acknowledgement, which would make a poor opponent.
const nginxConf = `
%[1]s
daemon off;
pid %[2]s/nginx.pid;
error_log %[2]s/error.log;
worker_processes %[3]d;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
	access_log off;
	sendfile on;
	keepalive_requests 100000000;
	open_file_cache max=10000 inactive=60s;
	client_body_temp_path %[2]s/body;
	proxy_temp_path %[4]s/temp;
	fastcgi_temp_path %[2]s/fastcgi;
	uwsgi_temp_path %[2]s/uwsgi;
	scgi_temp_path %[2]s/scgi;
	proxy_cache_path %[4]s/cache levels=1:2 keys_zone=bench:16m max_size=512m inactive=60m use_temp_path=off;
	upstream origin { server %[5]s; keepalive 64; }
	server {
		listen %[6]s;
		location / {
			proxy_pass http://origin;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_cache bench;
			proxy_cache_lock on;
		}
	}
}
`

func (b *bench) startNginx() (contestant, error) {
	addr, err := loopback.FreeAddr()
	if err != nil {
		return contestant{}, err
	}
	s, err := b.runNginx("nginx", addr, func(p nginxPlaces) (string, error) {
		return fmt.Sprintf(nginxConf, p.user, p.dir, p.workers, p.files, b.origin.Addr, addr), nil
	})
	return contestant{server: s, addr: addr}, err
}

// startVarnish runs Varnish with its built-in VCL and default parameters.
func (b *bench) startVarnish() (contestant, error) {
	program, err := lookPath("varnishd")
	if err != nil {
		return contestant{}, err
	}
	dir, err := b.directory("varnish")
	if err != nil {
		return contestant{}, err
	}
	addr, err := loopback.FreeAddr()
	if err != nil {
		return contestant{}, err
	}
	s, err := b.start("varnishd", addr, nil, program, "-F", "-j", "none", "-n", dir, "-a", addr,
		"-b", b.origin.Addr, "-s", "malloc,512m")
	if err != nil {
		return contestant{}, err
	}
	return contestant{server: s, addr: addr}, nil
}
