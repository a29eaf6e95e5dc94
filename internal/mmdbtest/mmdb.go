// Package mmdbtest writes small databases of places for tests, in the MaxMind DB
// file format 2.0: https://maxmind.github.io/MaxMind-DB/
package mmdbtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

type node struct{ children [2]any } // *node, data (an offset) or nil

type data int

// File makes a database file of IPv6 with 24-bit records. Values are
// map[string]any, string, uint32, uint16, uint64 and []any.
func File(records map[string]any) []byte {
	root := &node{}
	var section bytes.Buffer
	offsets := map[string]data{}
	for _, text := range slices.Sorted(maps.Keys(records)) {
		var value bytes.Buffer
		encode(&value, records[text])
		offset, known := offsets[value.String()]
		if !known {
			offset = data(section.Len())
			offsets[value.String()] = offset
			section.Write(value.Bytes())
		}
		root.insert(netip.MustParsePrefix(text), offset)
	}
	var nodes []*node
	number := map[*node]int{}
	for queue := []*node{root}; len(queue) > 0; queue = queue[1:] {
		n := queue[0]
		number[n] = len(nodes)
		nodes = append(nodes, n)
		for _, child := range n.children {
			if child, ok := child.(*node); ok {
				queue = append(queue, child)
			}
		}
	}
	var file bytes.Buffer
	for _, n := range nodes {
		for _, child := range n.children {
			v := len(nodes) // nothing known
			switch child := child.(type) {
			case *node:
				v = number[child]
			case data:
				v = len(nodes) + 16 + int(child)
			}
			file.Write([]byte{byte(v >> 16), byte(v >> 8), byte(v)})
		}
	}
	file.Write(make([]byte, 16))
	file.Write(section.Bytes())
	file.WriteString("\xab\xcd\xefMaxMind.com")
	encode(&file, map[string]any{
		"node_count": uint32(len(nodes)), "record_size": uint16(24), "ip_version": uint16(6),
		"database_type": "Portico-Test", "languages": []any{}, "description": map[string]any{"en": "test"},
		"binary_format_major_version": uint16(2), "binary_format_minor_version": uint16(0),
		"build_epoch": uint64(1_764_000_000),
	})
	return file.Bytes()
}

// insert puts IPv4 into ::/96, as the format says.
func (n *node) insert(p netip.Prefix, value data) {
	b, bits := p.Addr().As16(), p.Bits()
	if p.Addr().Is4() {
		four := p.Addr().As4()
		b, bits = [16]byte{}, bits+96
		copy(b[12:], four[:])
	}
	for i := range bits {
		bit := b[i/8] >> (7 - i%8) & 1
		if i == bits-1 {
			n.children[bit] = value
			return
		}
		child, ok := n.children[bit].(*node)
		if !ok {
			child = &node{[2]any{n.children[bit], n.children[bit]}} // a longer prefix in a shorter one
			n.children[bit] = child
		}
		n = child
	}
}

const (
	kindString, kindUint16, kindUint32, kindMap = 2, 5, 6, 7
	kindUint64, kindSlice                       = 9, 11
)

func encode(w *bytes.Buffer, value any) {
	switch v := value.(type) {
	case string:
		control(w, kindString, len(v))
		w.WriteString(v)
	case uint16:
		control(w, kindUint16, 2)
		w.Write(binary.BigEndian.AppendUint16(nil, v))
	case uint32:
		control(w, kindUint32, 4)
		w.Write(binary.BigEndian.AppendUint32(nil, v))
	case uint64:
		control(w, kindUint64, 8)
		w.Write(binary.BigEndian.AppendUint64(nil, v))
	case []any:
		control(w, kindSlice, len(v))
		for _, e := range v {
			encode(w, e)
		}
	case map[string]any:
		control(w, kindMap, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			encode(w, k)
			encode(w, v[k])
		}
	default:
		panic(fmt.Sprintf("cannot encode %T", value))
	}
}

func control(w *bytes.Buffer, kind, size int) {
	if size > 28 {
		w.WriteByte(byte(min(kind, 7)%8<<5 | 29))
		w.WriteByte(byte(size - 29))
		return
	}
	if kind > 7 {
		w.Write([]byte{byte(size), byte(kind - 7)})
		return
	}
	w.WriteByte(byte(kind<<5 | size))
}
