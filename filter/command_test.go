package filter

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-portico/portico/internal/admin/admintest"
)

// Each command asks for one thing and prints the answer for people.
func TestCommands(t *testing.T) {
	const ban = `{"address":"192.0.2.0/24","from":"2026-01-01T00:00:00Z","until":"2026-01-01T01:00:00Z","reason":"by\nhand"}`
	tests := []struct {
		name   string
		args   []string
		asked  string // method, path and body
		status int
		answer string
		out    []string
	}{
		{"bans", []string{"bans"}, "GET /request_filter/bans ", 200, "[" + ban + "]", []string{"192.0.2.0/24", "2026-01-01T01:00:00Z", "hand", `"by\nhand"`}},
		{"bans as JSON", []string{"bans", "--json"}, "GET /request_filter/bans ", 200, "[" + ban + "]", []string{"[" + ban + "]"}},
		{"ban", []string{"ban", "192.0.2.0/24"}, `POST /request_filter/bans {"address":"192.0.2.0/24","for":"1h","reason":"by hand"}`, 200, ban, []string{"192.0.2.0/24 is banned until 2026-01-01T01:00:00Z\n"}},
		{
			"ban for long",
			[]string{"ban", "2001:db8::1", "--for", "7d", "--reason", "spam"},
			`POST /request_filter/bans {"address":"2001:db8::1","for":"7d","reason":"spam"}`, 200, ban, nil,
		},
		{"unban a range", []string{"unban", "2001:db8::/64"}, "DELETE /request_filter/bans/2001:db8::/64 ", 204, "", []string{""}},
		{
			"lists",
			[]string{"lists"},
			"GET /request_filter/lists ", 200,
			`{"lists":[{"name":"drop","source":"https://lists.test/drop.txt?…","ranges":7,"error":"status 500"}],"databases":[{"file":"/a.mmdb"}],"redis":{"address":"redis://r:6379","up":true}}`,
			[]string{"drop", "7", "never", "status 500", "/a.mmdb", "good", "redis://r:6379", "up"},
		},
		{
			"top",
			[]string{"top"},
			"GET /request_filter/top ", 200,
			`{"blocked":5,"reasons":[{"reason":"probe","count":5}],"clients":[{"address":"192.0.2.1","count":5,"banned":true}]}`,
			[]string{"5 requests blocked", "probe", "192.0.2.1", "true"},
		},
		{
			"test",
			[]string{"test", "http://a.test/.env", "-H", "Cookie: a=b", "-X", "HEAD", "--client", "192.0.2.9"},
			"POST /request_filter/test client=192.0.2.9&header=Cookie%3A+a%3Db&method=HEAD&url=http%3A%2F%2Fa.test%2F.env", 200,
			`{"method":"HEAD","url":"http://a.test/.env","client":"192.0.2.9","handlers":[{"place":"/x","hosts":["a.test"],"action":"block","status":404,"address":"unlisted",
			  "findings":[{"step":"probes","action":"block","reason":"probe","rule":"secret","text":"a text"}],"score":3,"threshold":5,"tags":["one"]}],"answers":["request_filter at /x"],"notes":["a note"]}`,
			[]string{
				"HEAD http://a.test/.env from 192.0.2.9\n", "request_filter at /x for a.test\n  BLOCK with 404\n", "  address: unlisted\n",
				"  probes: block probe secret: a text\n", "  score 3 of 5\n", "  tags one\n", "answered by request_filter at /x\n", "- a note\n",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked string
			out, err := admintest.Run(t, setUpCommand, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				asked = r.Method + " " + r.URL.RequestURI() + " " + string(body)
				if r.URL.RawPath != "" {
					asked = r.Method + " " + r.URL.Path + " " + string(body)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.answer)
			}, tt.args...)
			if err != nil || asked != tt.asked {
				t.Errorf("asked %s (%v), want %s", asked, err, tt.asked)
			}
			for _, want := range tt.out {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
		})
	}
}

// A refusal is an error that says what the endpoint said.
func TestCommandRefused(t *testing.T) {
	for _, args := range [][]string{{"bans"}, {"ban", "nonsense"}, {"unban", "192.0.2.1"}, {"lists"}, {"top"}, {"test", "nonsense"}} {
		_, err := admintest.Run(t, setUpCommand, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"error":"the reason"}`, http.StatusNotFound)
		}, args...)
		if err == nil || !strings.Contains(err.Error(), "the reason") {
			t.Errorf("%v: %v", args, err)
		}
	}
	for _, args := range [][]string{{"ban"}, {"unban"}, {"unban", "a", "b"}, {"bans", "a"}, {"test"}, {"nonsense", "--nonsense"}} {
		if _, err := admintest.Run(t, setUpCommand, func(http.ResponseWriter, *http.Request) { t.Errorf("%v was asked", args) }, args...); err == nil {
			t.Errorf("%v is no error", args)
		}
	}
}
