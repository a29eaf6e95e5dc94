package main

import (
	"os"
	"path/filepath"
)

// nginxPlaces are what a configuration of nginx begins with and lies in.
type nginxPlaces struct {
	user    string // directive; the workers must reach the temporary directories
	dir     string
	files   string // in memory where that is possible
	workers int    // one for each CPU
}

// runNginx starts nginx with the configuration that is made for its places.
func (b *bench) runNginx(name, addr string, configure func(nginxPlaces) (string, error)) (*server, error) {
	program, err := lookPath("nginx")
	if err != nil {
		return nil, err
	}
	p := nginxPlaces{workers: b.cpus.serverCount()}
	if p.dir, err = b.directory(name); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		p.user = "user root root;"
	}
	if p.files, err = os.MkdirTemp("/dev/shm", "portico-bench-"); err != nil {
		p.files = p.dir
	}
	s, err := b.startNginxIn(p, program, name, addr, configure)
	switch {
	case p.files == p.dir:
	case err != nil:
		os.RemoveAll(p.files)
	default:
		s.cleanup = func() { os.RemoveAll(p.files) }
	}
	return s, err
}

func (b *bench) startNginxIn(p nginxPlaces, program, name, addr string, configure func(nginxPlaces) (string, error)) (*server, error) {
	text, err := configure(p)
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(p.dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return b.start(name, addr, nil, program, "-p", p.dir, "-e", filepath.Join(p.dir, "start.log"), "-c", conf)
}
