package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddy-portico/portico/internal/loopback"
	"github.com/caddy-portico/portico/internal/origin"
)

// filterPeers starts nginx and HAProxy, each with nothing, with the list, and
// with the list and a rate limit, on three ports of one process.
func (b *bench) filterPeers(list string) (contestants []contestant, stop func()) {
	var servers []*server
	for _, peer := range []struct {
		name  string
		start func(list string, addrs []string) (*server, error)
		sites [3]string
	}{
		{"nginx", b.startNginxFilter, [3]string{"nginx", "nginx geo", "nginx geo, limit_req"}},
		{"HAProxy", b.startHAProxyFilter, [3]string{"HAProxy", "HAProxy acl", "HAProxy acl, stick-table"}},
	} {
		addrs := make([]string, len(peer.sites))
		var err error
		for i := range addrs {
			if addrs[i], err = loopback.FreeAddr(); err != nil {
				break
			}
		}
		var s *server
		if err == nil {
			s, err = peer.start(list, addrs)
		}
		if err != nil {
			b.report.absent(peer.name, err)
			continue
		}
		servers = append(servers, s)
		for i, name := range peer.sites {
			contestants = append(contestants, contestant{name, s, addrs[i]})
		}
	}
	return contestants, func() {
		for _, s := range servers {
			s.stop()
		}
	}
}

// The file is in memory and kept open: return would answer before limit_req is asked.
const nginxFilterConf = `
%[1]s
daemon off;
pid %[2]s/nginx-filter.pid;
error_log %[2]s/error.log crit;
worker_processes %[3]d;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
	access_log off;
	sendfile on;
	keepalive_requests 100000000;
	open_file_cache max=100 inactive=600s;
	client_body_temp_path %[2]s/body;
	proxy_temp_path %[2]s/proxy;
	fastcgi_temp_path %[2]s/fastcgi;
	uwsgi_temp_path %[2]s/uwsgi;
	scgi_temp_path %[2]s/scgi;
	root %[4]s;
	geo $denied { default 0; include %[5]s; }
	limit_req_zone $binary_remote_addr zone=clients:10m rate=1000000r/s;
	server { listen %[6]s; }
	server { listen %[7]s; if ($denied) { return 403; } }
	server { listen %[8]s; if ($denied) { return 403; } limit_req zone=clients burst=100000 nodelay; }
}
`

func (b *bench) startNginxFilter(list string, addrs []string) (*server, error) {
	return b.runNginx("nginx-filter", addrs[0], func(p nginxPlaces) (string, error) {
		geo := filepath.Join(p.dir, "geo.conf")
		if err := rewriteLines(list, geo, func(prefix string) string { return prefix + " 1;" }); err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(p.files, "index.html"), origin.Bytes(filterSize, 0), 0o644); err != nil {
			return "", err
		}
		return fmt.Sprintf(nginxFilterConf, p.user, p.dir, p.workers, p.files, geo, addrs[0], addrs[1], addrs[2]), nil
	})
}

const haproxyFilterConf = `
global
	nbthread %[1]d
	tune.bufsize 16384
defaults
	mode http
	timeout connect 5s
	timeout client 60s
	timeout server 60s
frontend nothing
	bind %[2]s
	http-request return status 200 content-type text/plain file %[5]s
frontend acl
	bind %[3]s
	http-request deny if { src -f %[6]s }
	http-request return status 200 content-type text/plain file %[5]s
frontend rate
	bind %[4]s
	stick-table type ip size 1m expire 1m store http_req_rate(10s)
	http-request deny if { src -f %[6]s }
	http-request track-sc0 src
	http-request deny deny_status 429 if { sc_http_req_rate(0) gt 10000000 }
	http-request return status 200 content-type text/plain file %[5]s
`

func (b *bench) startHAProxyFilter(list string, addrs []string) (*server, error) {
	program, err := lookPath("haproxy")
	if err != nil {
		return nil, err
	}
	body := filepath.Join(b.dir, "haproxy-body")
	if err := os.WriteFile(body, origin.Bytes(filterSize, 0), 0o644); err != nil {
		return nil, err
	}
	conf := filepath.Join(b.dir, "haproxy-filter.cfg")
	text := fmt.Sprintf(haproxyFilterConf, b.cpus.serverCount(), addrs[0], addrs[1], addrs[2], body, list)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return b.start("haproxy-filter", addrs[0], nil, program, "-db", "-f", conf)
}

// rewriteLines writes each line of a file, changed, to another.
func rewriteLines(from, to string, change func(string) string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	for line := range strings.Lines(string(text)) {
		fmt.Fprintln(w, change(strings.TrimSpace(line)))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return file.Close()
}
