package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddy-portico/portico/internal/loopback"
)

// lbContestant is a proxy with three backends of its own.
type lbContestant struct {
	contestant
	backends []*lbBackend
}

// lbBaseline is what the others are compared with: the best policy that Caddy
// has by itself.
const lbBaseline = "Caddy least_conn"

// lbPolicies are the contestants inside Caddy. Ours is the first.
var lbPolicies = []struct{ name, policy string }{
	{"least_time", "least_time"},
	{"least_time, eject", "least_time {\neject\n}"},
	{"least_request", "least_request"},
	{lbBaseline, "least_conn"},
	{"Caddy random_choose 2", "random_choose 2"},
	{"Caddy round_robin", "round_robin"},
}

func lbSite(name, policy string, backends []*lbBackend) site {
	return site{name, fmt.Sprintf("reverse_proxy %s {\nlb_policy %s\n}", lbAddrs(backends, " "), policy)}
}

func lbAddrs(backends []*lbBackend, separator string) string {
	var addrs []string
	for _, b := range backends {
		addrs = append(addrs, b.addr)
	}
	return strings.Join(addrs, separator)
}

// lbContestants starts everybody: Caddy once, with a site for each policy, and
// the other proxies that are installed, with what their documentation recommends.
func (b *bench) lbContestants() (all []lbContestant, stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, f := range stops {
			f()
		}
	}
	three := func() (backends []*lbBackend) {
		for range 3 {
			backend, failed := newLBBackend()
			if failed != nil {
				err = failed
				return nil
			}
			stops = append(stops, backend.close)
			backends = append(backends, backend)
		}
		return backends
	}
	var sites []site
	for _, p := range lbPolicies {
		backends := three()
		sites = append(sites, lbSite(p.name, p.policy, backends))
		all = append(all, lbContestant{backends: backends})
	}
	server, contestants, failed := b.startCaddy("", nil, sites...)
	if err = errors.Join(err, failed); err != nil {
		stop()
		return nil, nil, err
	}
	stops = append(stops, server.stop)
	for i := range contestants {
		all[i].contestant = contestants[i]
	}
	for _, peer := range []struct {
		name  string
		start func(backends []*lbBackend) (contestant, error)
	}{{"HAProxy leastconn", b.startHAProxy}, {"nginx least_conn", b.startNginxLB}} {
		backends := three()
		c, failed := peer.start(backends)
		if failed != nil {
			b.report.absent(peer.name, failed)
			continue
		}
		c.name = peer.name
		stops = append(stops, c.server.stop)
		all = append(all, lbContestant{c, backends})
	}
	return all, stop, nil
}

const haproxyConf = `
global
	nbthread %[1]d
defaults
	mode http
	timeout connect 5s
	timeout client 60s
	timeout server 60s
	retries 0
frontend f
	bind %[2]s
	default_backend b
backend b
	balance leastconn
	http-reuse always
%[3]s
`

func (b *bench) startHAProxy(backends []*lbBackend) (contestant, error) {
	program, err := lookPath("haproxy")
	if err != nil {
		return contestant{}, err
	}
	addr, err := loopback.FreeAddr()
	if err != nil {
		return contestant{}, err
	}
	var servers strings.Builder
	for i, backend := range backends {
		fmt.Fprintf(&servers, "\tserver s%d %s check\n", i, backend.addr)
	}
	conf := filepath.Join(b.dir, "haproxy.cfg")
	text := fmt.Sprintf(haproxyConf, b.cpus.serverCount(), addr, servers.String())
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return contestant{}, err
	}
	s, err := b.start("haproxy", addr, nil, program, "-db", "-f", conf)
	return contestant{server: s, addr: addr}, err
}

const nginxLBConf = `
%[1]s
daemon off;
pid %[2]s/nginx-lb.pid;
error_log %[2]s/error.log crit;
worker_processes %[3]d;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
	access_log off;
	keepalive_requests 100000000;
	client_body_temp_path %[2]s/body;
	proxy_temp_path %[2]s/proxy;
	fastcgi_temp_path %[2]s/fastcgi;
	uwsgi_temp_path %[2]s/uwsgi;
	scgi_temp_path %[2]s/scgi;
	upstream pool { zone pool 64k; least_conn; server %[4]s; keepalive 64; }
	server {
		listen %[5]s;
		location / {
			proxy_pass http://pool;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_next_upstream off;
		}
	}
}
`

func (b *bench) startNginxLB(backends []*lbBackend) (contestant, error) {
	addr, err := loopback.FreeAddr()
	if err != nil {
		return contestant{}, err
	}
	s, err := b.runNginx("nginx-lb", addr, func(p nginxPlaces) (string, error) {
		return fmt.Sprintf(nginxLBConf, p.user, p.dir, p.workers, lbAddrs(backends, "; server "), addr), nil
	})
	return contestant{server: s, addr: addr}, err
}
