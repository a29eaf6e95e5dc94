package filter

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/filter/rewrite"
)

// request is what the origin gets: its own names of cookies and its own
// entity-tags, and no question for parts or encodings of a body that is
// rewritten. The request of the handlers before stays as it is.
func (h *HideOrigin) request(r *http.Request) *http.Request {
	if len(h.cookies.Rename) == 0 && h.ETag != etagHash && len(h.patterns) == 0 {
		return r
	}
	out := r.WithContext(r.Context())
	out.Header = r.Header.Clone()
	if len(h.cookies.Rename) > 0 && len(out.Header["Cookie"]) > 0 {
		// RFC 9113 §8.2.3: HTTP/2 may have split the field.
		if value := h.cookies.Request(strings.Join(out.Header["Cookie"], "; ")); value != "" {
			out.Header["Cookie"] = []string{value}
		} else {
			delete(out.Header, "Cookie")
		}
	}
	if h.ETag == etagHash {
		h.openValidators(r, out.Header)
	}
	if len(h.patterns) > 0 {
		delete(out.Header, "Range")
		delete(out.Header, "If-Range")
		out.Header["Accept-Encoding"] = []string{"identity"}
	}
	return out
}

func (h *HideOrigin) cookieOut(value string) string {
	if h.Cookies == nil {
		return value
	}
	return h.cookies.Response(value)
}

// mapping says what the client asked, and what is known to lie behind it.
func (h *HideOrigin) mapping(r *http.Request) rewrite.Map {
	h.findUpstreams.Do(func() { h.upstreams = upstreamsOf(r.Context(), h) })
	m := rewrite.Map{Scheme: "http", Host: r.Host, Origin: r.Header.Get("Origin"), Upstreams: h.upstreams, Rules: h.rules}
	if r.TLS != nil {
		m.Scheme = "https"
	}
	if strings.Contains(r.URL.RawQuery, "redirect") {
		m.Asked, _ = url.QueryUnescape(r.URL.RawQuery)
	}
	if trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool); trusted {
		if scheme := lastOf(r.Header, "X-Forwarded-Proto"); scheme == "http" || scheme == "https" {
			m.Scheme = scheme
		}
		if host := lastOf(r.Header, "X-Forwarded-Host"); host != "" {
			m.Host = host
		}
	}
	return m
}

// lastOf is the last member of a list, as reverse_proxy takes it.
func lastOf(header http.Header, name string) string {
	values := header[name]
	if len(values) == 0 {
		return ""
	}
	last := values[len(values)-1]
	return strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
}
