package filter

import (
	"io"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/filter/etags"
	"github.com/caddy-portico/portico/filter/leak"
	"github.com/caddy-portico/portico/filter/rewrite"
)

// hidingWriter cleans every header at the last moment before it leaves: nothing
// that comes later can add to it but what was there before the origin was asked.
//
// Beside content that is to be changed it holds nothing back: what is flushed,
// hijacked or sent from a file is so by the writer below.
type hidingWriter struct {
	*caddyhttp.ResponseWriterWrapper
	h *HideOrigin
	r *http.Request // as the client sent it

	own       http.Header // of the site: what was set before, and would be removed
	wrote     bool        // the final header
	hidden    int         // the status of an answer that is replaced
	swallowed int         // of its content
	content   *contentWriter
}

// begin notes what the site itself has set. Of that only Caddy's name goes.
func (w *hidingWriter) begin() {
	header := w.Header()
	if server := header["Server"]; len(server) == 1 && server[0] == "Caddy" {
		delete(header, "Server")
	}
	for name, values := range header {
		if w.h.names.Match(name) {
			if w.own == nil {
				w.own = make(http.Header, 1)
			}
			w.own[name] = values
		}
	}
}

// end finishes an answer, after the handlers that made it: its trailers are
// cleaned, or if there was none, the header of what is going to be made of err.
func (w *hidingWriter) end(err error) error {
	if w.content != nil && err == nil {
		err = w.content.Close()
	}
	w.clean()
	leak.CleanStatus(w.Header())
	if w.hidden != 0 {
		return w.instead()
	}
	return err
}

// clean removes what tells of the origin, by its name.
func (w *hidingWriter) clean() {
	header := w.Header()
	w.h.names.Clean(header)
	if !w.wrote {
		for name, values := range w.own {
			header[name] = values
		}
	}
}

// WriteHeader implements http.ResponseWriter.
func (w *hidingWriter) WriteHeader(status int) {
	if w.hidden != 0 {
		return
	}
	w.clean()
	header := w.Header()
	if status >= 200 || status == http.StatusSwitchingProtocols {
		if !w.wrote && w.h.replaces(status, header) {
			w.wrote = true
			w.hide(status)
			return
		}
		w.wrote = true
		leak.CleanStatus(header)
		w.tag(header)
		w.prepareContent(status)
	}
	w.lead(header)
	w.ResponseWriterWrapper.WriteHeader(status)
}

// plain are the fields in which there is no place to lead elsewhere.
var plain = map[string]bool{
	"Accept-Ranges": true, "Age": true, "Allow": true, "Cache-Control": true, "Connection": true, "Content-Encoding": true,
	"Content-Length": true, "Content-Range": true, "Content-Type": true, "Date": true, "Etag": true, "Expires": true,
	"Last-Modified": true, "Trailer": true, "Transfer-Encoding": true, "Vary": true,
}

// lead leads what names a place behind the site to the site.
func (w *hidingWriter) lead(header http.Header) {
	var m rewrite.Map
	known := false
	for name, values := range header {
		if plain[name] || w.own[name] != nil {
			continue
		}
		if !known {
			m, known = w.places(), true
		}
		for i, value := range values {
			led := w.leadValue(m, name, value)
			if led == value {
				continue
			}
			if &header[name][0] == &values[0] { // the values may be somebody else's
				header[name] = append([]string(nil), header[name]...)
			}
			header[name][i] = led
		}
	}
}

func (w *hidingWriter) leadValue(m rewrite.Map, name, value string) string {
	if name == "Set-Cookie" {
		return w.h.cookies.show(m, value)
	}
	return m.Field(name, value)
}

// places are those behind the site, as this request sees them.
func (w *hidingWriter) places() rewrite.Map {
	scheme := "http"
	if w.r.TLS != nil {
		scheme = "https"
	}
	ctx := w.r.Context()
	address := ""
	if repl, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		if s, _ := repl.GetString("http.request.scheme"); s != "" {
			scheme = s
		}
		address, _ = repl.GetString("http.reverse_proxy.upstream.hostport")
	}
	server, _ := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	return w.h.table(server).For(scheme, w.r.Host, address).Knowing(w.r.URL.RawQuery)
}

// tag does with ETag what the configuration says.
func (w *hidingWriter) tag(header http.Header) {
	value := header.Get("Etag")
	switch {
	case value == "" || w.h.ETag == etagKeep:
	case w.h.ETag == etagDrop:
		header.Del("Etag")
	default:
		header["Etag"] = []string{w.h.sealer().Seal(value)}
	}
	if len(w.h.body) > 0 && header.Get("Etag") != "" {
		header["Etag"] = []string{etags.Weaken(header.Get("Etag"))}
	}
}

// Write implements http.ResponseWriter.
func (w *hidingWriter) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.hidden != 0:
		return w.swallow(p)
	case w.content != nil:
		return w.content.Write(p)
	}
	return w.ResponseWriterWrapper.Write(p)
}

// ReadFrom implements io.ReaderFrom, with which files are sent by the system.
func (w *hidingWriter) ReadFrom(r io.Reader) (int64, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if w.hidden != 0 || w.content != nil {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	return w.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError implements the Flusher of [http.ResponseController].
func (w *hidingWriter) FlushError() error {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if w.hidden != 0 {
		return nil
	}
	if w.content != nil {
		if err := w.content.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (w *hidingWriter) Flush() { _ = w.FlushError() }

// isGRPC reports an answer of gRPC, or gRPC-Web.
func isGRPC(header http.Header) bool {
	return strings.HasPrefix(header.Get("Content-Type"), "application/grpc")
}

// Interface guards
var (
	_ http.Flusher  = (*hidingWriter)(nil)
	_ io.ReaderFrom = (*hidingWriter)(nil)
)
