package cachehandler

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/internal/route"
)

// explanation is the answer of GET /response_cache/explain.
type explanation struct {
	Method string   `json:"method"`
	URL    string   `json:"url"`
	Fields []string `json:"fields"` // the names of the request's; values may be secrets

	// The handlers of the running configuration that the request comes to, in
	// this order.
	Handlers []*verdict `json:"handlers"`
	// Those that it does not come to.
	Others []elsewhere `json:"others"`
	// What answers the request, beside the cache, by server.
	Answers []string `json:"answers"`
	// What this explanation takes for granted.
	Notes []string `json:"notes"`
}

// elsewhere is a handler that a request does not come to.
type elsewhere struct {
	Place  string   `json:"place"`
	Server string   `json:"server"`
	Hosts  []string `json:"hosts,omitempty"`
	Name   string   `json:"name"`
	Store  string   `json:"store"`
}

func (adminAPI) explain(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("method not allowed: ask with GET or POST")}
	}
	if err := r.ParseForm(); err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	asked, err := route.Request(r.Context(), r.Form, "remote_ip")
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	app, err := caddy.ActiveContext().AppIfConfigured("http")
	if err != nil && !errors.Is(err, caddy.ErrNotConfigured) {
		return caddy.APIError{HTTPStatus: http.StatusInternalServerError, Err: err}
	}
	e := &explanation{
		Method: asked.Method, URL: route.URL(asked).String(), Fields: []string{},
		Handlers: []*verdict{}, Others: []elsewhere{}, Answers: []string{}, Notes: []string{},
	}
	for name := range asked.Header {
		e.Fields = append(e.Fields, name)
	}
	slices.Sort(e.Fields)
	if http, ok := app.(*caddyhttp.App); ok {
		e.walk(http, asked)
	} else {
		e.Notes = append(e.Notes, "No configuration that serves HTTP is running; one that is still being loaded does not count yet.")
	}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(e)
}

// walk sends the request through the servers that would get it.
func (e *explanation) walk(app *caddyhttp.App, asked *http.Request) {
	servers, listening := route.ServersFor(app, route.URL(asked))
	e.noteTarget(app, asked, servers, listening)
	reached := make(map[string]bool)
	for _, server := range servers {
		visitor := visitor{caches: make(map[*cache]string), asking: make(map[*cache]bool)}
		way := route.Follow(server, asked, visitor.visit)
		e.Answers = append(e.Answers, way.Ended)
		for _, v := range visitor.reached {
			reached[v.Place] = true
			e.Handlers = append(e.Handlers, v)
		}
	}
	for _, server := range route.Servers(app) {
		for _, h := range route.All[*Handler](server) {
			if !reached[h.Place] {
				e.Others = append(e.Others, elsewhere{
					Place: h.Place, Server: server.Name(), Hosts: h.Hosts, Name: h.Handler.Name, Store: h.Handler.Store,
				})
			}
		}
	}
	e.Notes = append(e.Notes,
		"Handlers under `before` are taken to let the request through as it is, and matchers to see the fields that are given and the address "+asked.RemoteAddr+".",
		"Whether an answer of the origin may be stored shows when it comes; `refusals` are about the last ones.")
}

// noteTarget says what of the URL is not as it may be meant.
func (e *explanation) noteTarget(app *caddyhttp.App, asked *http.Request, servers []*caddyhttp.Server, listening bool) {
	target := route.URL(asked)
	switch {
	case !listening:
		e.Notes = append(e.Notes, "No server listens on the port of the URL; the routes of all servers are looked at.")
	case !slices.ContainsFunc(servers, func(s *caddyhttp.Server) bool { return route.SpeaksTLS(app, s, target) == (target.Scheme == "https") }):
		e.Notes = append(e.Notes, "What listens on the port of the URL does not speak "+target.Scheme+".")
	}
	if encoded := percentEncoded(asked.RequestURI); encoded != asked.RequestURI {
		e.Notes = append(e.Notes, "Letters outside ASCII are taken as they are written, as curl sends them. Browsers send "+encoded+", which has another key.")
	}
}

// percentEncoded is a request target as browsers write it (RFC 3987 §3.1).
func percentEncoded(target string) string {
	var b strings.Builder
	for i := range len(target) {
		if c := target[i]; c < utf8.RuneSelf {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
