package lbpolicy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

// provisioned is a reverse_proxy with a policy as JSON, in front of the
// addresses.
func provisioned(t testing.TB, policy string, addresses ...string) *reverseproxy.Handler {
	t.Helper()
	ctx, err := caddy.ProvisionContext(&caddy.Config{Admin: &caddy.AdminConfig{Disabled: true}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(ctx)
	t.Cleanup(cancel)
	var ups []string
	for _, a := range addresses {
		ups = append(ups, fmt.Sprintf(`{"dial":%q}`, a))
	}
	config := fmt.Sprintf(`{"upstreams":[%s],"load_balancing":{"selection_policy":%s}}`, strings.Join(ups, ","), policy)
	module, err := ctx.LoadModuleByID("http.handlers.reverse_proxy", json.RawMessage(config))
	if err != nil {
		t.Fatal(err)
	}
	return module.(*reverseproxy.Handler)
}

// requestFor is a request with what Caddy's server puts into its context.
func requestFor(server *caddyhttp.Server) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://site.test/path", http.NoBody)
	repl := caddyhttp.NewTestReplacer(r)
	r = caddyhttp.PrepareRequest(r, repl, httptest.NewRecorder(), server)
	return r
}

var policies = []string{
	`{"policy":"least_time"}`,
	`{"policy":"least_time","eject":{},"slow_start":"10s"}`,
	`{"policy":"least_request"}`,
	`{"policy":"weighted"}`,
	`{"policy":"hash","key":"{http.request.uri.path}"}`,
}

// instant is a transport that answers at once.
type instant struct{ body string }

func (i instant) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(i.body))}, nil
}

func BenchmarkSelect(b *testing.B) {
	r := requestFor(new(caddyhttp.Server))
	all := append([]string{`{"policy":"least_conn"}`, `{"policy":"random"}`, `{"policy":"round_robin"}`}, policies...)
	for _, n := range []int{3, 16, 100} {
		var addresses []string
		for i := range n {
			addresses = append(addresses, fmt.Sprintf("127.0.0.1:%d", i+1))
		}
		for _, policy := range all {
			b.Run(fmt.Sprintf("%d/%s", n, strings.Trim(policy, "{}")), func(b *testing.B) {
				h := provisioned(b, policy, addresses...)
				s := h.LoadBalancing.SelectionPolicy
				b.ReportAllocs()
				for b.Loop() {
					if s.Select(h.Upstreams, r, nil) == nil {
						b.Fatal("no upstream")
					}
				}
			})
		}
	}
}

// BenchmarkLearn is what the tap costs an attempt, its choice not included.
func BenchmarkLearn(b *testing.B) {
	h := provisioned(b, policies[0], "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")
	di := reverseproxy.DialInfo{Upstream: h.Upstreams[0], Address: "127.0.0.1:1"}
	r := requestFor(new(caddyhttp.Server))
	r = r.WithContext(context.WithValue(r.Context(), caddy.CtxKey("reverse_proxy.dial_info"), di))
	rt, tap := instant{""}, h.Transport.(observed).outcomes()
	through := func(b *testing.B, send func() (*http.Response, error)) {
		b.ReportAllocs()
		buf := make([]byte, 8)
		for b.Loop() {
			res, err := send()
			if err != nil {
				b.Fatal(err)
			}
			_, _ = res.Body.Read(buf)
			_ = res.Body.Close()
		}
	}
	b.Run("bare", func(b *testing.B) { through(b, func() (*http.Response, error) { return rt.RoundTrip(r) }) })
	b.Run("tapped", func(b *testing.B) { through(b, func() (*http.Response, error) { return tap.roundTrip(rt, r) }) })
}
