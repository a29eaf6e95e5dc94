package cachehandler

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// This file is the first step: which requests are for the cache at all.

// receive passes what no cache may answer (RFC 9111 §4: other methods,
// other protocols, requests with content) and makes the key of the rest.
func (x *exchange) receive() step {
	if x.r.Method == http.MethodConnect {
		return x.passFor(httpcache.Upgrade)
	}
	connection := x.r.Header["Connection"]
	upgrade := httpguts.HeaderValuesContainsToken(connection, "upgrade")
	if upgrade && offersHTTP2(x.r) {
		delete(x.r.Header, "Upgrade")
		upgrade = false
	}
	if connection != nil && !upgrade {
		dropHopByHop(x.r, connection)
	}
	x.key, x.ends = x.h.Key.append(x.keyBuf[:0], x.r)
	if upgrade { // with a key: what it changes is to be invalidated
		return x.passFor(httpcache.Upgrade)
	}
	if x.r.ProtoMajor > 1 && bytes.IndexByte(x.key, ' ') >= 0 && hasWhiteSpace(originalURL(x.r)) {
		return x.fail(caddyhttp.Error(http.StatusBadRequest, errors.New("white space in the request target")))
	}
	if len(x.h.bypass) > 0 {
		matched, err := x.h.bypass.AnyMatchWithError(x.r)
		if err != nil {
			return x.fail(err)
		}
		if matched {
			return x.passFor(httpcache.Bypassed)
		}
	}
	switch {
	case x.r.Method == "PURGE":
		x.outcome.reason = httpcache.Method
		x.w.Header().Set("Allow", "GET, HEAD")
		return x.fail(caddyhttp.Error(http.StatusMethodNotAllowed, errors.New("purge is not allowed")))
	case x.r.Method == methodQuery && !x.h.QueryMethod.Off:
		if why := x.onlyForOrigin(); why != httpcache.None {
			return x.passFor(why)
		}
		return x.receiveQuery()
	case x.r.Method != http.MethodGet && x.r.Method != http.MethodHead:
		return x.passFor(httpcache.Method)
	case hasContent(x.r):
		return x.passFor(httpcache.RequestBody)
	}
	if why := x.onlyForOrigin(); why != httpcache.None {
		return x.passFor(why)
	}
	return stepLookup
}

// offersHTTP2 reports a request that would be answered over HTTP/2 as well, as clients
// in Java send them all where there is no TLS. It may be answered as if it did not
// (RFC 9110 §7.8), and no server is to take the offer any more (RFC 9113 §3.1).
func offersHTTP2(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && !hasContent(r) &&
		len(r.Header["Upgrade"]) == 1 && strings.EqualFold(strings.TrimSpace(r.Header["Upgrade"][0]), "h2c")
}

// hasWhiteSpace reports a target that HTTP/1 could not carry, and that nobody
// may forward (RFC 9113 §8.1.1, §8.3.1): it would be the end of a request line.
func hasWhiteSpace(uri *url.URL) bool {
	return strings.IndexByte(uri.RawPath, ' ') >= 0 || strings.IndexByte(uri.RawQuery, ' ') >= 0
}

// onlyForOrigin is why a request is not looked up though its method would be.
func (x *exchange) onlyForOrigin() httpcache.Reason {
	switch {
	case len(x.key) > maxKeyBytes:
		return httpcache.KeyTooLong
	case wantsStream(x.r.Header): // its head may come with the first event only
		return httpcache.Stream
	case x.r.Header["If-Match"] != nil || x.r.Header["If-Unmodified-Since"] != nil:
		return httpcache.ForOrigin
	}
	return httpcache.None
}

func wantsStream(request http.Header) bool {
	for _, accept := range request["Accept"] {
		if strings.Contains(accept, "text/event-stream") {
			return true
		}
	}
	return false
}
