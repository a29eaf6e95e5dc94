package portico_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// detailedSite has every kind of handler that explain has something to say about.
const detailedSite = `
	handle /loop {
		invoke loop
	}
	handle /leave {
		invoke leave
	}
	handle /files/* {
		response_cache {
			name files
		}
		file_server
		response_cache {
			name never
		}
	}
	route /two/* {
		response_cache {
			name outer
		}
		response_cache {
			name inner
			store other
		}
		reverse_proxy $ORIGIN
	}
	route {
		response_cache {
			max_ttl 50s
			key {
				header Authorization
			}
			bypass /bypassed
			vary ignore X-I
			@debug header X-Debug *
			skip_store @debug
			fill_range_up_to 1KiB
		}
		reverse_proxy $ORIGIN
	}
`

func detailedOrigin(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=60")
	h.Set("ETag", `"v1"`)
	switch {
	case strings.HasSuffix(r.URL.Path, "/dir/b"):
		h.Set("Vary", "X-I, Accept-Language, X-Api-Key, Private-Token")
	case strings.HasSuffix(r.URL.Path, "/skipped"):
		h.Set("X-Debug", "1")
	case strings.HasSuffix(r.URL.Path, "/equivalent"):
		h.Set("No-Vary-Search", `params=("u")`)
	case strings.HasSuffix(r.URL.Path, "/part") && r.Header.Get("Range") != "":
		h.Set("Content-Range", "bytes 0-4/2000")
		h.Set("Content-Length", "5")
		w.WriteHeader(http.StatusPartialContent)
	}
	_, _ = fmt.Fprint(w, "hello")
}

// TestExplainDetails looks for what an administrator has to find in the text of an
// explanation, as the command prints what is in the JSON.
func TestExplainDetails(t *testing.T) {
	s := startSite(t, startOrigin(t, detailedOrigin).addr, siteConfig{
		admin: true, http: detailedSite, more: "&(loop) {\ninvoke loop\n}\n&(leave) {\n" + strings.Repeat("reverse_proxy $ORIGIN {\nhandle_response {\ninvoke leave\n}\n}\n", 2) + "}\n",
		global: "response_cache {\nstore other\n}", https: "response_cache {\nname secure\n}",
	})
	s.get("/dir/a")
	s.get("/dir/a", "Authorization", "Bearer hush")
	s.get("/dir/b", "Accept-Language", "fr;q=0.9, de", "X-Api-Key", "hush", "Private-Token", "hush")
	s.get("/skipped")
	s.get("/equivalent?u=1")
	s.get("/two/part", "Range", "bytes=0-4")
	s.get("/two/a")
	tests := []struct {
		name, target string
		more         []string // pairs of the query
		want         []string // of the JSON
	}{
		{"5.2.2.1, bounded by an option", "/dir/a", nil, []string{`"lifetime":50,`, "bounded by the option max_ttl", `"lifetime_option":"max_ttl"`, `"stored":{"step":"store","reason":"storable"`}},
		{"what a purge would drop", "/dir/a", nil, []string{
			`"url":2,`, `"objects":6}`, `/dir/","objects":3}`, // the other value of the key's field, too
		}},
		{"no credentials", "/dir/a", []string{"header", "Authorization: Bearer hush"}, []string{`hAuthorization=11:(there, not shown)`, `"result":"hit"`}},
		{"4.3.1, what the origin would get", "/dir/a", []string{"header", "Cache-Control: no-cache", "header", "If-Range: x", "header", "X-Forwarded-Host: x"}, []string{
			`"origin":{"method":"GET","fields":{"If-None-Match":["\"v1\""]},"without":["If-Range","X-Forwarded-Host"]}`, `"option":"request_directives"`,
		}},
		{"4.1, by meaning, ignored, secret", "/dir/b", []string{"header", "X-Api-Key: hush", "header", "Private-Token: hush", "header", "Accept-Language: de, fr;q=0.9"}, []string{
			`"matches":true,"option":"vary normalise"}`, `{"field":"X-I","stored":null,"request":null,"matches":true,"option":"vary ignore"}`, `{"field":"X-Api-Key","stored":"(there, not shown)"`,
			`{"field":"Private-Token","stored":"(there, not shown)"`,
		}},
		{"pass memory", "/skipped", nil, []string{`"reason":"skip-store"`, `"option":"skip_store"`, `"passes_for":1`, "The last one, ", "s ago: skip-store: "}},
		{"the option that excludes it", "/bypassed", nil, []string{`"reason":"bypassed"`, `"option":"bypass"`, "It is matcher 1 of 1 that matches."}},
		{"the key of what is equivalent", "/equivalent?u=2", nil, []string{`"result":"hit"`, `\u001fn`}},
		{"9110-14.2, the whole for a part", "/new", []string{"header", "Range: bytes=0-1"}, []string{`"option":"fill_range_up_to"`, "The whole is asked for", `"without":["Range"]`}},
		{"9110-15.5.17", "/dir/a", []string{"header", "Range: bytes=1000-"}, []string{"416, as there is no such part"}},
		{"3.3, a stored part", "/two/part", []string{"header", "Range: bytes=1-2"}, []string{`"part":"bytes 0-4/2000"`, "the part it asks for"}},
		{"what is not reached", "/two/a", nil, []string{`"name":"inner"`, `"behind":"/apps/http/servers/`}},
		{"the fetch that the inner one gets", "/two/part", []string{"method", "GET", "header", `If-None-Match: "v0"`}, []string{`"without":["If-None-Match"]`}},
		{"files", "/files/x", nil, []string{"file_server at /apps/http/", `"others":[{"place":`, `"name":"never"`}},
		{"routes that invoke each other", "/loop", nil, []string{`"answers":["invoke at `}},
		{"and do so in answers", "/leave", nil, []string{`"answers":["reverse_proxy at `}},
		{"9110-9.3.3", "/dir/a", []string{"method", "POST"}, []string{"only if it says with Content-Location", "is dropped"}},
		{"an error of its own", "/dir/a", []string{"method", "PURGE"}, []string{"It is answered with 405: purge is not allowed."}},
		{"RFC 10008 §2.7", "/dir/a", []string{"method", "QUERY"}, []string{`"unsure":["The key of a QUERY`}},
		{"no key, nothing to drop", "/dir/a", []string{"method", "CONNECT"}, []string{`and its answer is not stored.","steps"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			query := url.Values{"url": {"http://site.test:" + s.vars["$PORT"] + tt.target}, "header": {"Host: site.test"}}
			for i := 0; i < len(tt.more); i += 2 {
				query.Add(tt.more[i], tt.more[i+1])
			}
			status, body := s.ask("/response_cache/explain?" + query.Encode())
			for _, want := range tt.want {
				if status != http.StatusOK || !strings.Contains(string(body), want) {
					t.Errorf("%d, no %q in %s", status, want, body)
				}
			}
			if strings.Contains(string(body), "hush") {
				t.Errorf("a credential in %s", body)
			}
		})
	}
	if _, body := s.ask("/response_cache/explain?url=http://" + s.vars["$HTTPS"] + "/"); !strings.Contains(string(body), "does not speak http.") {
		t.Errorf("HTTP where TLS is: %s", body)
	}
	if _, body := s.ask("/response_cache/explain?url=https://" + s.vars["$HTTPS"] + "/"); strings.Contains(string(body), "does not speak") {
		t.Errorf("HTTPS where TLS is: %s", body)
	}
}

// What is on its way is explained: how many fetches and who waits, and whether the
// request would share one (RFC 9111 §5.2.1.4).
func TestExplainFetches(t *testing.T) {
	release := make(chan struct{})
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		w.Header().Set("Cache-Control", "max-age=60")
	})
	s := startSite(t, origin.addr, siteConfig{admin: true})
	first, second := s.sendTo("/a"), s.sendTo("/a")
	explain := func(fields ...string) *verdict {
		pairs := []string{"url", "http://$HTTP/a", "header", "Host: site.test"}
		for _, f := range fields {
			pairs = append(pairs, "header", f)
		}
		return s.explain(pairs...).Handlers[0]
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for explain().Waiting != 1 {
		if pause(ctx, time.Millisecond); ctx.Err() != nil {
			t.Fatal("no request waits for the other")
		}
	}
	for fields, want := range map[string]string{
		"X-None: 1":               "collapsed: It may wait for a fetch that is on its way.",
		"Cache-Control: no-cache": "request-no-cache: It shares only a fetch that begins after it came.",
	} {
		v := explain(fields)
		last := v.Steps[len(v.Steps)-1]
		if v.Result != "miss" || v.Fetches != 1 || last.Reason+": "+last.Detail != want {
			t.Errorf("%q: %+v, want %s", fields, v, want)
		}
	}
	close(release)
	for _, e := range []*exchange{first, second} {
		s.wait(e, "the end", func() bool { return e.done })
	}
	if v := explain(); v.Result != "hit" || v.Fetches+v.Waiting > 0 {
		t.Errorf("afterwards: %+v", v)
	}
}
