// Package framing finds requests that the origin may take for another request,
// or may answer on a connection that is no longer HTTP as the filter sees it.
// Messages whose length is ambiguous (RFC 9112 §6.3) never come this far: Go's
// server refuses them or sends the origin one length. What is left is well-formed,
// so it passes a proxy, and is refused here with 400.
package framing

import (
	"net/http"
	"strings"
)

// A Defect says why a request is refused. The set is closed.
type Defect uint8

const (
	None             Defect = iota
	Upgrade                 // to HTTP/2 or TLS: what follows is not filtered ("h2c smuggling")
	UpgradeBody             // an upgrade with a body: the origin may read it as the new protocol
	ConnectionOption        // Connection has the proxy remove a field the origin relies on
	Repeated                // a field that may be there once is there twice

	defects = iota
)

var names = [defects]string{"", "upgrade", "upgrade_body", "connection_option", "repeated_field"}

var texts = [defects]string{
	"",
	"the request asks for an upgrade to a protocol that is not filtered",
	"a request for an upgrade has a body",
	"Connection names a field that is not the connection's",
	"a field that may occur once is repeated",
}

// Status is what a defect is answered with.
const Status = 400

// Name is the defect as a metric label and log value; "" for None.
func (d Defect) Name() string { return names[d] }

// String is the defect as a sentence without a stop; "" for None.
func (d Defect) String() string { return texts[d] }

// Check judges the request as net/http has read it. It does not allocate.
func Check(r *http.Request) Defect {
	for _, name := range [...]string{"Content-Type", "Authorization"} {
		if len(r.Header[name]) > 1 {
			return Repeated
		}
	}
	upgrade := false
	for _, line := range r.Header["Connection"] {
		for option := range strings.SplitSeq(line, ",") {
			option = strings.TrimSpace(option)
			upgrade = upgrade || strings.EqualFold(option, "Upgrade")
			if endToEnd(option) {
				return ConnectionOption
			}
		}
	}
	if !upgrade || r.ProtoMajor != 1 { // a proxy does not pass it on
		return None
	}
	for _, line := range r.Header["Upgrade"] {
		for protocol := range strings.SplitSeq(line, ",") {
			if unfiltered(strings.TrimSpace(protocol)) {
				return Upgrade
			}
		}
	}
	if len(r.Header["Upgrade"]) > 0 && r.ContentLength != 0 {
		return UpgradeBody
	}
	return None
}

// unfiltered are the protocols that carry more requests past the filter (RFC 9113
// §3.1, RFC 2817).
func unfiltered(protocol string) bool {
	name, _, _ := strings.Cut(protocol, "/")
	for _, p := range [...]string{"h2c", "h2", "HTTP", "TLS"} {
		if strings.EqualFold(name, p) {
			return true
		}
	}
	return false
}

// endToEnd are fields that no Connection may name (RFC 9110 §7.6.1) and whose loss
// changes who asks, or for what.
func endToEnd(option string) bool {
	for _, name := range [...]string{
		"Host", "Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Authorization", "Cookie", "Range",
		"Cache-Control", "Origin", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP",
	} {
		if strings.EqualFold(option, name) {
			return true
		}
	}
	return false
}

// DropUpgrade takes the wish for an upgrade off a request, which then passes as
// what it is (RFC 9110 §7.8: a server may ignore Upgrade). Better than a refusal
// for Upgrade: Java's HttpClient and curl --http2 ask for h2c with every request
// in plain HTTP, and are content without it.
func DropUpgrade(header http.Header) {
	delete(header, "Upgrade")
	delete(header, "Http2-Settings")
}
