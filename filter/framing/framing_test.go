package framing

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for fields, want := range map[string]Defect{
		"":                              None,
		"Connection: keep-alive, close": None,
		"Connection: keep-alive, Upgrade\r\nUpgrade: websocket": None,
		"Upgrade: h2c": None, // not the connection's: a proxy drops it
		"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk": Upgrade,
		"Connection: close\r\nConnection: upgrade\r\nUpgrade: websocket, H2C":             Upgrade,
		"Connection: Upgrade\r\nUpgrade: TLS/1.0, HTTP/1.1":                               Upgrade,
		"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1":                  UpgradeBody,
		"Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked":         UpgradeBody,
		"Connection: Content-Length\r\nContent-Length: 1":                                 ConnectionOption,
		"Connection: close , X-Forwarded-For":                                             ConnectionOption,
		"Content-Type: text/plain\r\nContent-Type: application/json":                      Repeated,
	} {
		if fields != "" {
			fields += "\r\n"
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n0\r\n\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		if got := Check(r); got != want {
			t.Errorf("%q: %q, want %q", fields, got.Name(), want.Name())
		}
		if n := testing.AllocsPerRun(10, func() { Check(r) }); n != 0 {
			t.Errorf("%q: %v allocations", fields, n)
		}
	}
}

func TestDropUpgrade(t *testing.T) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	DropUpgrade(r.Header)
	if got := Check(r); got != None || len(r.Header) != 1 {
		t.Errorf("%q, %v is left", got.Name(), r.Header)
	}
}
