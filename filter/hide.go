package filter

import (
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/filter/etags"
	"github.com/caddy-portico/portico/filter/leak"
	"github.com/caddy-portico/portico/filter/replace"
	"github.com/caddy-portico/portico/filter/rewrite"
)

func init() {
	caddy.RegisterModule(HideOrigin{})
}

// HideOrigin lets nothing through in an answer that tells what runs behind the
// site. It needs no option: by itself it removes the fields that tell of the
// origin, Caddy's own Server and Via among them, from every header an answer can
// have (informational, switching protocols, final, trailer); leads URLs and cookies of
// upstreams and private hosts to the site; and replaces the pages of the origin's
// own errors (5xx). Other content passes as it is.
//
// It knows the upstreams of all reverse_proxy handlers of the server, and of dynamic
// ones the one that has answered. What handlers before it have set in the answer is
// the site's, and stays.
type HideOrigin struct {
	// Which fields are removed from answers.
	Headers *HeaderOptions `json:"headers,omitempty"`

	// Where places behind the site are to be found, in fields such as Location and
	// Link and in the Path and Domain of cookies. Upstreams and private hosts are led
	// to the root of the site without being named here.
	Rewrite []RewriteOptions `json:"rewrite,omitempty"`

	// What is changed about cookies.
	Cookies *CookieOptions `json:"cookies,omitempty"`

	// Statuses whose answers are replaced: `4xx`, `5xx`, or single ones from 400 to
	// 599; `off` alone for none. The status stays, and with it the fields that
	// clients act on (Retry-After, Allow, WWW-Authenticate, Set-Cookie, those of
	// caching and CORS); the rest is what `handle_errors` makes of it. gRPC has its
	// errors elsewhere and is left alone. Default: `5xx`.
	Errors []string `json:"errors,omitempty"`

	// What is done with ETag: `keep`, `hash` (a sealed one is shown, and opened when
	// it comes back in a conditional request) or `drop`. Default: `keep`.
	ETag string `json:"etag,omitempty"`

	// What is replaced in content of a textual type, while it streams by. The
	// origin is then asked for content without coding, and for no ranges.
	Body []BodyOptions `json:"body,omitempty"`

	names   *leak.Names
	table   func(*caddyhttp.Server) *rewrite.Table // with the upstreams of the server
	cookies *cookieJar                             // nil: nothing to change
	sealer  func() *etags.Sealer                   // nil: nothing to seal
	body    []*replace.Rule
}

// HeaderOptions change the list of fields to remove. Names are compared in any
// case and may be globs with `*`, `?` and `[…]`.
type HeaderOptions struct {
	// More names. Default: none but the built-in ones.
	Remove []string `json:"remove,omitempty"`

	// Names to keep, whatever else removes them.
	Keep []string `json:"keep,omitempty"`

	// The only names to keep. HTTP's own (Content-Type, Content-Length, Location,
	// Vary and the like) stay as well. Default: the list is one of names to remove.
	AllowOnly []string `json:"allow_only,omitempty"`
}

// RewriteOptions lead one place behind the site elsewhere.
type RewriteOptions struct {
	// A host, a host with a port, or a URL whose path is where it begins.
	From string `json:"from,omitempty"`

	// A path of the site, or a URL. Default: the root of the site.
	To string `json:"to,omitempty"`
}

// BodyOptions are one replacement in content.
type BodyOptions struct {
	// A regular expression (RE2). What it matches is found if it can be told from
	// 4096 bytes.
	Find string `json:"find,omitempty"`

	// What matches become; `$1` is what the first group has found.
	Replace string `json:"replace,omitempty"`
}

const (
	etagKeep = "keep"
	etagHash = "hash"
	etagDrop = "drop"
)

// CaddyModule returns the Caddy module information.
func (HideOrigin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.hide_origin",
		New: func() caddy.Module { return new(HideOrigin) },
	}
}

// Provision compiles the options.
func (h *HideOrigin) Provision(ctx caddy.Context) (err error) {
	h.ETag = orDefault(h.ETag, etagKeep)
	if len(h.Errors) == 0 {
		h.Errors = []string{"5xx"}
	}
	if err := h.check(); err != nil {
		return err
	}
	if h.names, err = h.Headers.names(); err != nil {
		return named("headers", err)
	}
	h.table = h.newTable()
	h.cookies = h.Cookies.jar()
	for _, o := range h.Body {
		rule, err := replace.New(o.Find, o.Replace)
		if err != nil {
			return fmt.Errorf("body: %s: %w", o.Find, err)
		}
		h.body = append(h.body, rule)
	}
	if h.ETag == etagHash {
		storage, log := ctx.Storage(), ctx.Logger()
		// At the first answer and not when the configuration is loaded, which must
		// not wait for a storage.
		h.sealer = sync.OnceValue(func() *etags.Sealer { return etags.New(sealingKey(storage, log)) })
	}
	return nil
}

// Validate refuses what makes no sense. Provision has asked already.
func (h *HideOrigin) Validate() error { return h.check() }

func (h *HideOrigin) check() error {
	_, badHeaders := h.Headers.names()
	return errors.Join(
		named("headers", badHeaders),
		named("rewrite", addRules(new(rewrite.Table), h.Rewrite)),
		named("cookies", h.Cookies.validate()),
		named("errors", validateErrors(h.Errors)),
		named("etag", expectWord(h.ETag, etagKeep, etagHash, etagDrop)),
	)
}

func (o *HeaderOptions) names() (*leak.Names, error) {
	if o == nil {
		return leak.New(leak.Options{})
	}
	return leak.New(leak.Options{Remove: o.Remove, Keep: o.Keep, Only: o.AllowOnly})
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *HideOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	hw := &hidingWriter{
		ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: w},
		h:                     h,
		r:                     r,
	}
	hw.begin()
	if isEcho(r.Method) {
		w.Header().Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
		return caddyhttp.Error(http.StatusMethodNotAllowed, fmt.Errorf("hide_origin: %s would show the request as the origin gets it", r.Method))
	}
	err := next.ServeHTTP(hw, h.inward(r))
	return hw.end(err)
}

// isEcho reports a method that asks for the request itself (RFC 9110 §9.3.8).
func isEcho(method string) bool {
	return method == http.MethodTrace || method == "TRACK" || method == "DEBUG"
}

// inward is the request as the origin may have it: with the names of cookies and
// the tags it knows itself, and for content that can be changed.
func (h *HideOrigin) inward(r *http.Request) *http.Request {
	if h.cookies == nil && h.sealer == nil && len(h.body) == 0 {
		return r
	}
	in := r.WithContext(r.Context())
	in.Header = r.Header.Clone()
	h.cookies.restore(in.Header)
	if h.sealer != nil {
		for _, field := range conditions {
			for i, value := range in.Header[field] {
				in.Header[field][i] = h.sealer().OpenList(value)
			}
		}
	}
	if len(h.body) > 0 {
		in.Header.Set("Accept-Encoding", "identity")
		in.Header.Del("Range") // positions are others before the change
		in.Header.Del("If-Range")
		for i, value := range in.Header["If-Match"] {
			in.Header["If-Match"][i] = etags.Strengthen(value)
		}
	}
	return in
}

// conditions are the fields in which a client brings a tag back (RFC 9110 §13.1).
var conditions = [...]string{"If-Match", "If-None-Match", "If-Range"}

// Interface guards
var (
	_ caddy.Provisioner           = (*HideOrigin)(nil)
	_ caddy.Validator             = (*HideOrigin)(nil)
	_ caddyhttp.MiddlewareHandler = (*HideOrigin)(nil)
)
