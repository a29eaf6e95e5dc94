package cachehandler

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"
)

// This file is about request fields that are not in the key and of which an
// answer may depend nevertheless: whoever sends one would choose what everybody
// else gets ("Practical Web Cache Poisoning", J. Kettle, 2018). They do not
// reach the origin with a request that may fill the cache. docs/security.md
// has the classes of attacks, unkeyed.go the names.

// appendForwarded adds the overriding fields to the key when they come from a
// trusted proxy, which sets them for good reason: scheme and host of the URI
// the client asked for. From anybody else they never reach the origin of a
// stored response (see stripUnkeyed).
func appendForwarded(dst []byte, o *KeyOptions, r *http.Request) []byte {
	if !fromTrustedProxy(r) {
		return dst
	}
	var buf [8]string
	names := buf[:0]
	for name, values := range r.Header {
		if sources[name] == overrides && len(values) > 0 && !slices.Contains(o.Header, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		value := strings.Join(r.Header[name], ", ")
		if name == "Forwarded" {
			value = withoutNodes(value)
		}
		dst = appendExtra(dst, 'h', name, value)
	}
	return dst
}

// withoutNodes is a value of Forwarded without what names the client and the proxies
// (RFC 7239 §5.1, §5.2): like X-Forwarded-For that is different for every client, and says
// nothing about the URI.
func withoutNodes(forwarded string) string {
	var kept strings.Builder
	for i, element := range strings.Split(forwarded, ",") {
		if i > 0 {
			kept.WriteByte(',')
		}
		for pair := range strings.SplitSeq(element, ";") {
			if pair = strings.TrimSpace(pair); !isNode(pair) {
				kept.WriteString(pair)
				kept.WriteByte(';')
			}
		}
	}
	return kept.String()
}

// isNode reports a for or by that is as simple as addresses are. In what is not, others
// may read something else.
func isNode(pair string) bool {
	name, value, _ := strings.Cut(pair, "=")
	if !strings.EqualFold(name, "for") && !strings.EqualFold(name, "by") {
		return false
	}
	if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
		value = value[1 : n-1]
	}
	return strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:[]-") == ""
}

// stripUnkeyed takes from a request that may fill the cache what its key does
// not say. What describes content is in the key of a request that has some.
func stripUnkeyed(r *http.Request, keyed []string, content bool) {
	trusted := fromTrustedProxy(r)
	for name := range r.Header {
		if content && strings.HasPrefix(name, "Content-") {
			continue
		}
		if isUnkeyed(name, trusted) && !slices.Contains(keyed, name) {
			delete(r.Header, name)
		}
	}
}

// hasUnkeyed reports a field that stripUnkeyed would take, or that came from a
// trusted proxy.
func hasUnkeyed(header http.Header) bool {
	for name := range header {
		if isUnkeyed(name, false) {
			return true
		}
	}
	return false
}

// isUnkeyed reports a field that must not come between key and answer.
func isUnkeyed(name string, trusted bool) bool {
	if isSecondSpelling(name) {
		return true
	}
	switch sourceOf(name) {
	case anybody:
		return false
	case nobody:
		return true
	default:
		return !trusted
	}
}

// isSecondSpelling reports a name with other characters than letters, digits and
// hyphens. Servers that hand fields to applications as variables (RFC 3875 §4.1.18)
// make one name of X_Tenant and X-Tenant; PHP takes X.Tenant for it as well, and
// lighttpd whatever a token may have. So it would be a second spelling of any field,
// those of Vary and of the key among them.
func isSecondSpelling(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return true
		}
	}
	return false
}

func fromTrustedProxy(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}

// dropHopByHop takes the fields that Connection names from a request, as every
// intermediary has to (RFC 9110 §7.6.1). A later handler does so, too, but by
// then key and variant were made of what the origin does not get: "Connection:
// Accept-Language" would store the default language under the variant of another.
func dropHopByHop(r *http.Request, connection []string) {
	for _, line := range connection {
		if strings.EqualFold(line, "keep-alive") || strings.EqualFold(line, "close") {
			continue
		}
		for option := range strings.SplitSeq(line, ",") {
			if option = textproto.TrimString(option); httpguts.ValidHeaderFieldName(option) {
				dropField(r, option)
			}
		}
	}
}

// dropField leaves what a later handler needs to recognise the connection by.
func dropField(r *http.Request, name string) {
	switch name = http.CanonicalHeaderKey(name); name {
	case "Connection", "Te", "Upgrade":
	default:
		delete(r.Header, name)
	}
}
