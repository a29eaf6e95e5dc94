package origin

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // RFC 6455 §4.2.2 prescribes it
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// sse sends numbered server-sent events: endless, or as many as the option
// events says. Options every and step pace them; the first comes at once.
func (p *pacer) sse(_ *http.Request, s *script) {
	h := p.Header()
	s.writeFields(h, time.Now())
	h.Set("Content-Type", "text/event-stream")
	p.WriteHeader(s.status)
	for i := 1; s.events == 0 || i <= s.events; i++ {
		if i > 1 {
			p.between()
		}
		if _, err := fmt.Fprintf(p, "id: %d\ndata: event %d\n\n", i, i); err != nil {
			return
		}
	}
}

// websocket accepts a WebSocket and echoes its messages, pings and close.
func (p *pacer) websocket(r *http.Request, s *script) {
	key := r.Header.Get("Sec-Websocket-Key")
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || key == "" {
		http.Error(p, "not a WebSocket handshake", http.StatusUpgradeRequired)
		return
	}
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455 §1.3
	sum := sha1.Sum([]byte(key + guid))                 //nolint:gosec // as above
	s.writeSwitch(p.Header(), "websocket")
	p.Header().Set("Sec-Websocket-Accept", base64.StdEncoding.EncodeToString(sum[:]))
	conn, rw := p.hijackAfterSwitch()
	defer conn.Close()
	for {
		closed, err := echoFrame(rw)
		if err != nil || closed {
			return
		}
	}
}

// echoFrame answers one client frame with the same one, unmasked (RFC 6455
// §5.1); a ping is answered by a pong.
func echoFrame(rw *bufio.ReadWriter) (closed bool, err error) {
	const opClose, opPing, opPong = 0x8, 0x9, 0xA
	var head [2]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return false, err
	}
	length := uint64(head[1] & 0x7F)
	switch length {
	case 126:
		var n uint16
		err = binary.Read(rw, binary.BigEndian, &n)
		length = uint64(n)
	case 127:
		err = binary.Read(rw, binary.BigEndian, &length)
	}
	var mask [4]byte
	if err == nil && head[1]&0x80 != 0 {
		_, err = io.ReadFull(rw, mask[:])
	}
	if err != nil || length > 64<<20 {
		return true, err
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(rw, payload); err != nil {
		return false, err
	}
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	opcode := head[0] & 0x0F
	if opcode == opPing {
		head[0] = head[0]&0xF0 | opPong
	}
	return opcode == opClose, writeFrame(rw, head[0], payload)
}

func writeFrame(rw *bufio.ReadWriter, first byte, payload []byte) error {
	frame := []byte{first}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, byte(n))
	case n <= 0xFFFF:
		frame = binary.BigEndian.AppendUint16(append(frame, 126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 127), uint64(n))
	}
	_, _ = rw.Write(append(frame, payload...)) // bufio keeps the error for Flush
	return rw.Flush()
}

// upgrade switches to whatever protocol was asked for and echoes bytes.
func (p *pacer) upgrade(r *http.Request, s *script) {
	protocol := r.Header.Get("Upgrade")
	if protocol == "" {
		http.Error(p, "no Upgrade in the request", http.StatusUpgradeRequired)
		return
	}
	s.writeSwitch(p.Header(), protocol)
	conn, rw := p.hijackAfterSwitch()
	defer conn.Close()
	buf := make([]byte, 4096)
	for {
		n, err := rw.Read(buf)
		_, _ = rw.Write(buf[:n])
		if rw.Flush() != nil || err != nil {
			return
		}
	}
}

func (s *script) writeSwitch(h http.Header, protocol string) {
	s.writeFields(h, time.Now())
	h.Del("Content-Type")
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", protocol)
}

// hijackAfterSwitch takes the connection over and sends the 101 (net/http
// does not send one itself), unless the client or Close ended it.
func (p *pacer) hijackAfterSwitch() (net.Conn, *bufio.ReadWriter) {
	h := p.Header().Clone()
	conn, rw := p.hijack()
	_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(rw)
	_, _ = rw.WriteString("\r\n")
	_ = rw.Flush()
	return conn, rw
}

// hijack takes the connection from the server. From then on Close ends it
// through the context, because the server no longer knows it.
func (p *pacer) hijack() (net.Conn, *bufio.ReadWriter) {
	conn, rw, err := http.NewResponseController(p.ResponseWriter).Hijack()
	p.must(err) // HTTP/2
	p.origin.closeWith(conn)
	return conn, rw
}
