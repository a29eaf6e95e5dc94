package filter

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/internal/route"
)

// maxTestBody bounds the form of a test.
const maxTestBody = 256 << 10

// test answers GET /request_filter/test?url=…&header=…&method=…&client=…, or the
// same as a form of a POST, which the log of the endpoint does not have.
func test(_ *state, w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxTestBody)
	if err := r.ParseForm(); err != nil {
		return failed(http.StatusBadRequest, err)
	}
	asked, err := route.Request(r.Context(), r.Form, "client")
	if err != nil {
		return failed(http.StatusBadRequest, err)
	}
	app, err := caddy.ActiveContext().AppIfConfigured("http")
	if err != nil && !errors.Is(err, caddy.ErrNotConfigured) {
		return failed(http.StatusInternalServerError, err)
	}
	e := &explanation{
		Method: asked.Method, URL: route.URL(asked).String(), Client: clientName(asked),
		Handlers: []*explained{}, Answers: []string{}, Notes: []string{},
	}
	if http, ok := app.(*caddyhttp.App); ok {
		e.follow(http, asked)
	} else {
		e.Notes = append(e.Notes, "The running configuration serves no HTTP.")
	}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(e)
}
