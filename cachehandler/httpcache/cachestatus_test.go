package httpcache

import (
	"strings"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"
)

func TestStatusAppend(t *testing.T) {
	tests := []struct {
		name   string
		status Status
		want   string
	}{
		{"9211-2.1 hit", Status{Name: "Portico", Hit: true, HasTTL: true, TTL: 88 * time.Second}, "Portico; hit; ttl=88"},
		{"9211-2.2 fwd", Status{Name: "Portico", Fwd: "uri-miss", Stored: true}, "Portico; fwd=uri-miss; stored"},
		{"9211-2.2 hit or fwd", Status{Name: "Portico", Hit: true, Fwd: "stale", FwdStatus: 200, Stored: true, Collapsed: true}, "Portico; hit"},
		{"9211-2.3 fwd-status", Status{Name: "Portico", Fwd: "stale", FwdStatus: 304, HasTTL: true, TTL: time.Minute}, "Portico; fwd=stale; fwd-status=304; ttl=60"},
		{"9211-2.4 stale ttl", Status{Name: "Portico", Hit: true, HasTTL: true, TTL: -5 * time.Second}, "Portico; hit; ttl=-5"},
		{"9211-2.4 half a second stale", Status{Name: "Portico", Hit: true, HasTTL: true, TTL: -time.Second / 2}, "Portico; hit; ttl=-1"},
		{"9211-2.4 half a second fresh", Status{Name: "Portico", Hit: true, HasTTL: true, TTL: time.Second / 2}, "Portico; hit; ttl=0"},
		{"9211-2.6 collapsed", Status{Name: "Portico", Fwd: "uri-miss", Collapsed: true}, "Portico; fwd=uri-miss; collapsed"},
		{"9211-2.7 key", Status{Name: "Portico", Hit: true, Key: `/a?b="c\`}, `Portico; hit; key="/a?b=\"c\\"`},
		{"9211-2.7 a key that could be a token", Status{Name: "Portico", Hit: true, Key: "abc"}, `Portico; hit; key="abc"`},
		{"9211-2.8 detail as a token", Status{Name: "Portico", Fwd: "bypass", Detail: "set-cookie"}, "Portico; fwd=bypass; detail=set-cookie"},
		{"9211-2.8 detail as a string", Status{Name: "Portico", Fwd: "bypass", Detail: "not today"}, `Portico; fwd=bypass; detail="not today"`},
		{"9651-3.3.3 not ASCII", Status{Name: "Portico", Hit: true, Key: "/\u00fc\n\x7f"}, `Portico; hit; key="/%C3%BC%0A%7F"`},
		{"9651-3.3.4 name of an unusual kind", Status{Name: "my cache", Hit: true}, `"my cache"; hit`},
		{"9651-3.3.4 no fwd that is no token", Status{Name: "Portico", Fwd: "a b", FwdStatus: 200}, "Portico"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(tt.status.Append([]byte("Origin; hit, "))); got != "Origin; hit, "+tt.want {
				t.Errorf("Append = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestEveryReasonIsADetail(t *testing.T) {
	for r := range reasonCount {
		if got := string((&Status{Name: "P", Detail: r.String()}).Append(nil)); got != "P; detail="+r.String() {
			t.Errorf("reason %d is not a token in Cache-Status: %s", r, got)
		}
	}
}

// FuzzStatus: whatever the strings, another party reads one member with the
// values that were meant.
func FuzzStatus(f *testing.F) {
	f.Add("Portico", "uri-miss", "/a?b=c", "detail", int64(5), 200, byte(255))
	f.Add("my cache", "stale", `"\`, "\u00fc, b; c", int64(-1), -3, byte(1))
	f.Add("", "", ",;=", "a b", int64(1)<<62, 0, byte(6))
	f.Fuzz(func(t *testing.T, name, fwd, key, detail string, ttl int64, fwdStatus int, which byte) {
		s := Status{
			Name: name, Fwd: fwd, Key: key, Detail: detail, TTL: time.Duration(ttl),
			Hit: which&1 != 0, HasTTL: which&2 != 0, Stored: which&4 != 0, Collapsed: which&8 != 0,
		}
		if fwdStatus > 0 && fwdStatus < 1000 {
			s.FwdStatus = fwdStatus
		}
		field := string(s.Append(nil))
		list, err := httpsfv.UnmarshalList([]string{"Origin; hit", field})
		if err != nil || len(list) != 2 {
			t.Fatalf("%s is %d members, %v", field, len(list), err)
		}
		item, ok := list[1].(httpsfv.Item)
		if !ok {
			t.Fatalf("%s is no item", field)
		}
		checkText(t, field, "name", item.Value, name)
		if key != "" {
			value, _ := item.Params.Get("key")
			checkText(t, field, "key", value, key)
		}
		if detail != "" {
			value, _ := item.Params.Get("detail")
			checkText(t, field, "detail", value, detail)
		}
		_, hit := item.Params.Get("hit")
		_, forwarded := item.Params.Get("fwd")
		if hit != s.Hit || hit && forwarded {
			t.Errorf("%s: hit %v and fwd %v, want hit %v", field, hit, forwarded, s.Hit)
		}
		if value, has := item.Params.Get("ttl"); has != s.HasTTL || has && value.(int64) > ttl/1e9+1 {
			t.Errorf("%s: ttl %v, want %v", field, value, s.TTL)
		}
	})
}

// checkText compares what was read with what was meant, without what had to be
// percent-encoded.
func checkText(t *testing.T, field, what string, got any, want string) {
	t.Helper()
	var text string
	switch value := got.(type) {
	case string:
		text = value
	case httpsfv.Token:
		text = string(value)
	default:
		t.Fatalf("%s: %s is a %T", field, what, got)
	}
	var encoded strings.Builder
	for _, c := range []byte(want) {
		if c < 0x20 || c > 0x7e {
			encoded.WriteString("%" + string("0123456789ABCDEF"[c/16]) + string("0123456789ABCDEF"[c%16]))
		} else {
			encoded.WriteByte(c)
		}
	}
	if text != encoded.String() {
		t.Errorf("%s: %s = %q, want %q", field, what, text, encoded.String())
	}
}
