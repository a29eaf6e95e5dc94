package portico_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// verdict is what of GET /response_cache/explain the tests look at.
type verdict struct {
	Place, Server, Name, Store, Tier, Inside string

	Hosts, Before     []string
	Unsure            []string
	Result, Then, Key string
	Steps             []stage
	Variants          []variant
	Behind            string
	Origin            *struct {
		Method  string
		Fields  http.Header
		Without []string
	}
	Refusals         []refusal
	Fetches, Waiting int
	Drops            struct {
		URL  int
		Host *struct {
			Host    string
			Objects int
		}
		Prefixes []struct {
			Prefix  string
			Objects int
		}
		Tags []tagDrop
	}
}

type refusal struct {
	With                    []string
	Reason, Section, Option string
	Ago                     int64
	Passes                  bool
	PassesFor               int64 `json:"passes_for"`
}

type tagDrop struct {
	Tag, Origin string
	Objects     int
}

type varied struct {
	Field, Stored, Request string
	Matches                bool
}

type variant struct {
	Selected, Matches, Complete bool

	Vary                 []varied
	Reuse, Stored        stage
	Key, Part            string
	Status               int
	Age, Lifetime, TTL   int64
	LifetimeFrom         string `json:"lifetime_from"`
	LifetimeText         string `json:"lifetime_text"`
	LifetimeSection      string `json:"lifetime_section"`
	LifetimeOption       string `json:"lifetime_option"`
	StaleWhileRevalidate int64  `json:"stale_while_revalidate"`
	StaleIfError         int64  `json:"stale_if_error"`
	Fields               map[string][]string
	Bytes                int64
	Hidden, Tags, Groups []string
	Flags                []string
}

type stage struct{ Step, Reason, Text, Section, Option, Detail string }

type explanation struct {
	Method, URL    string
	Fields         []string
	Handlers       []*verdict
	Others         []struct{ Place, Name, Store string }
	Answers, Notes []string
}

// explain asks the admin endpoint; the query is made of pairs.
func (s *site) explain(pairs ...string) *explanation {
	s.t.Helper()
	query := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		query.Add(pairs[i], s.expand(pairs[i+1]))
	}
	status, body := s.ask("/response_cache/explain?" + query.Encode())
	e := new(explanation)
	if err := json.Unmarshal(body, e); status != http.StatusOK || err != nil {
		s.t.Fatalf("explain %v: %d %s (%v)", pairs, status, body, err)
	}
	return e
}

// ask sends a GET to the admin endpoint.
func (s *site) ask(path string) (status int, body []byte) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.vars["$ADMIN"]+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	e := send(s.client, r)
	s.wait(e, "the end", func() bool { return e.done })
	if e.err != nil {
		s.t.Fatalf("%s: %v", path, e.err)
	}
	return e.status, e.body
}

// foretell is what explain says about r; nil if its URL or fields are none that
// it could be asked about, or if not exactly one handler is on its way.
func (s *site) foretell(r *http.Request) *verdict {
	s.t.Helper()
	query := url.Values{"url": {r.URL.Scheme + "://" + r.URL.Host + r.URL.Opaque}, "method": {r.Method}, "remote_ip": {"127.0.0.1"}}
	query.Add("header", "Host: "+r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			query.Add("header", name+": "+value)
		}
	}
	if r.ContentLength > 0 {
		query.Add("header", fmt.Sprintf("Content-Length: %d", r.ContentLength))
	}
	status, body := s.ask("/response_cache/explain?" + query.Encode())
	if status == http.StatusBadRequest {
		return nil
	}
	e := new(explanation)
	if err := json.Unmarshal(body, e); status != http.StatusOK || err != nil {
		s.t.Fatalf("explain %v: %d %s (%v)", query, status, body, err)
	}
	if len(e.Handlers) != 1 {
		return nil
	}
	return e.Handlers[0]
}

// check compares what was foretold with what came.
func (v *verdict) check(e *exchange) error {
	if e.err != nil || len(v.Unsure) > 0 || v.Fetches > 0 { // a fetch may have ended meanwhile
		return nil
	}
	status := strings.Join(e.header["Cache-Status"], ", ")
	if !strings.Contains(status, v.Name) && v.Result != "error" {
		return nil
	}
	hit := strings.Contains(status, v.Name+"; hit")
	ok := false
	switch v.Result {
	case "hit", "stale":
		ok = hit
	case "error":
		ok = e.status >= 400 && !hit
	case "revalidated", "miss", "pass", "bypass":
		ok = !hit
	}
	if !ok {
		return fmt.Errorf("explain foretold %q (%s %v), and then came %d, Cache-Status: %s", v.Result, v.Then, v.Steps, e.status, status)
	}
	return nil
}
