package portico_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// RFC 9110 §7.4: what is stored of one server is for nobody who comes to another, whichever
// of them Host names; and for everybody who comes to the same.
func TestMisdirectedRequests(t *testing.T) {
	const stored = "response_cache {\nttl 60s\n}\n"
	internal := freeAddr(t)
	s := startSite(t, "", siteConfig{
		http: stored + "respond public",
		more: "http://:" + port(internal) + " {\nbind 127.0.0.1\n" + stored + "respond internal\n}\n",
	})
	for _, host := range []string{"site.test", "localhost:" + port(internal), "localhost:" + s.vars["$PORT"]} {
		for _, cacheStatus := range []string{"fwd=uri-miss", "hit"} {
			for addr, want := range map[string]string{s.vars["$HTTP"]: "public", internal: "internal"} {
				body, status := s.askAs(addr, host)
				if err := (facts{"s": status}).check("s ~ ^Portico; " + cacheStatus); err != nil || body != want {
					t.Errorf("Host: %s at the %s site: %q with Cache-Status: %s, want %s", host, want, body, status, cacheStatus)
				}
			}
		}
	}
}

// A server with TLS does without on the port for HTTP, where it may be taken for another.
func TestMisdirectedWithoutTLS(t *testing.T) {
	const stored = "response_cache {\nttl 60s\n}\n"
	plain := freeAddr(t)
	c := siteConfig{http: stored + "respond public", https: stored + "respond internal", global: "http_port " + port(plain)}
	s := startSite(t, "", c)
	config, err := s.adapt(c)
	if err != nil {
		t.Fatal(err)
	}
	listen := `"` + s.vars["$HTTPS"] + `"`
	if err := caddy.Load(bytes.Replace(config, []byte(listen), []byte(listen+`,"`+plain+`"`), 1), true); err != nil {
		t.Fatal(err)
	}
	s.settle()
	for addr, want := range map[string]string{s.vars["$HTTP"]: "public", plain: "internal"} {
		if body, status := s.askAs(addr, "site.test"); body != want {
			t.Errorf("at the %s site: %q with Cache-Status: %s", want, body, status)
		}
	}
}

// askAs asks a server for / as if another had been meant.
func (s *site) askAs(addr, host string) (body, cacheStatus string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Host = host
	response, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	all, _ := io.ReadAll(response.Body)
	return string(all), response.Header.Get("Cache-Status")
}
