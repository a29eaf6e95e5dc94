package filter

import (
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/filter/leak"
	"github.com/caddy-portico/portico/filter/rewrite"
)

// hidingWriter cleans each header at the last moment before it leaves. Only there
// do all of them pass: Caddy writes 1xx and 101 before its header_down.
type hidingWriter struct {
	caddyhttp.ResponseWriterWrapper
	h   *HideOrigin
	r   *http.Request
	own http.Header // leaks by name that the site itself has set before

	wrote    bool // the final header, or 101
	trailers bool // were announced
	places   *rewrite.Map
	body     *rewriter // nil: as it comes

	refused int // the status of an error page that is not passed on
	sent    bool
	dropped int64
}

// remember keeps what handlers before this one have set, such as Alt-Svc for
// Caddy's own HTTP/3, but for Caddy's name.
func (w *hidingWriter) remember() {
	for name, values := range w.Header() {
		caddys := name == "Via" || name == "Server" && len(values) > 0 && values[0] == "Caddy"
		if !caddys && len(values) > 0 && w.h.names.Match(name) {
			if w.own == nil {
				w.own = make(http.Header, 1)
			}
			w.own[name] = slices.Clone(values)
		}
	}
}

// WriteHeader cleans the header and sends it.
func (w *hidingWriter) WriteHeader(status int) {
	if w.wrote || w.refused != 0 {
		return
	}
	header := w.Header()
	w.h.names.Clean(header, w.own)
	if status < 200 && status != http.StatusSwitchingProtocols {
		w.lead(header)
		w.ResponseWriter.WriteHeader(status)
		return
	}
	if w.h.replaces(status, header) {
		w.begin(status)
		return
	}
	w.wrote = true
	w.trailers = len(header["Trailer"]) > 0
	w.lead(header)
	w.beginBody(status, header)
	w.ResponseWriter.WriteHeader(status)
}

// lead rewrites the fields whose values may tell of a place, and validators.
func (w *hidingWriter) lead(header http.Header) {
	for name, values := range header {
		if name == "Set-Cookie" || name == "Location" || slices.ContainsFunc(values, func(v string) bool { return rewrite.MayHold(name, v) }) {
			w.leadField(header, name, name)
		}
	}
	if values := header["Etag"]; len(values) > 0 {
		w.validator(header, "Etag")
	}
	scrubGRPC(header, "", w)
}

// leadField rewrites the values at key, which is name or, in a trailer, name
// behind a prefix. The values may be shared with others: they are not edited.
func (w *hidingWriter) leadField(header http.Header, key, name string) {
	values := header[key]
	led := values
	for i, value := range values {
		rewritten := w.mapping().Field(name, value)
		if name == "Set-Cookie" {
			rewritten = w.h.cookieOut(rewritten)
		}
		if rewritten == value {
			continue
		}
		if &led[0] == &values[0] {
			led = slices.Clone(values)
		}
		led[i] = rewritten
	}
	header[key] = led
}

// mapping says what lies behind and what the client asked.
func (w *hidingWriter) mapping() rewrite.Map {
	if w.places == nil {
		m := w.h.mapping(w.r)
		w.places = &m
	}
	m := *w.places
	if repl, ok := w.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		if up, _ := repl.GetString("http.reverse_proxy.upstream.hostport"); up != "" {
			m.Answered = rewrite.ParsePlace(up)
		}
	}
	return m
}

// Write implements http.ResponseWriter.
func (w *hidingWriter) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.refused != 0:
		return w.swallow(p)
	case w.body != nil:
		return w.body.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

// ReadFrom keeps what the writer below can do for a body that passes as it is.
func (w *hidingWriter) ReadFrom(r io.Reader) (int64, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if w.refused != 0 || w.body != nil {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	return w.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError implements what http.ResponseController looks for. A body that is
// rewritten holds back no more than what may begin a match.
func (w *hidingWriter) FlushError() error {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if w.refused != 0 {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (w *hidingWriter) Flush() { _ = w.FlushError() }

// finish ends the body and cleans trailers: what the map holds now.
func (w *hidingWriter) finish() error {
	if w.body != nil {
		if err := w.body.Close(); err != nil {
			return nil //nolint:nilerr // the client is gone
		}
	}
	if !w.wrote { // nobody has written: what net/http sends then
		w.h.names.Clean(w.Header(), w.own)
		w.lead(w.Header())
		return nil
	}
	w.cleanTrailers()
	return nil
}

func (w *hidingWriter) cleanTrailers() {
	header := w.Header()
	found := w.trailers
	for name := range header {
		found = found || strings.HasPrefix(name, http.TrailerPrefix)
	}
	if !found {
		return
	}
	w.h.names.Clean(header, w.own)
	for name := range header {
		// Declared ones stand among the fields that have been sent. To lead those
		// once more changes nothing that anybody gets.
		if bare := strings.TrimPrefix(name, http.TrailerPrefix); bare != "Set-Cookie" {
			w.leadField(header, name, bare)
		}
	}
	scrubGRPC(header, "", w)
	scrubGRPC(header, http.TrailerPrefix, w)
	if len(header[http.TrailerPrefix+"Etag"]) > 0 {
		w.validator(header, http.TrailerPrefix+"Etag")
	}
}

// scrubGRPC takes out what an origin's software says of its own faults: codes 2
// (UNKNOWN) and 13 (INTERNAL) carry the text of exceptions. Details of other codes
// are for clients, unless they hold a stack or a place behind.
func scrubGRPC(header http.Header, prefix string, w *hidingWriter) {
	status := header[prefix+"Grpc-Status"]
	if len(status) == 0 {
		return
	}
	const details = "Grpc-Status-Details-Bin"
	if status[0] == "2" || status[0] == "13" {
		delete(header, prefix+"Grpc-Message")
		delete(header, prefix+details)
		return
	}
	for _, value := range header[prefix+details] {
		if leak.Details(value, w.mapping().Text) {
			delete(header, prefix+details)
			return
		}
	}
}

// Interface guards
var (
	_ http.Flusher  = (*hidingWriter)(nil)
	_ io.ReaderFrom = (*hidingWriter)(nil)
	_ interface {
		FlushError() error
		Unwrap() http.ResponseWriter
	} = (*hidingWriter)(nil)
)
