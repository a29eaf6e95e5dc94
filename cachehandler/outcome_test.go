package cachehandler

import (
	"testing"
	"time"

	"go.uber.org/zap/zapcore"
)

// What is stale has a negative ttl, be it by less than a second, as in Cache-Status
// (RFC 9211 §2.4).
func TestStaleByLessThanASecond(t *testing.T) {
	o := &outcome{hasAge: true, ttl: -time.Second / 2}
	if ttl, _ := o.placeholder(placeholderPrefix + "ttl"); ttl != "-1" {
		t.Errorf("{http.response_cache.ttl} is %v", ttl)
	}
	log := zapcore.NewMapObjectEncoder()
	if err := o.MarshalLogObject(log); err != nil || log.Fields["ttl"] != int64(-1) {
		t.Errorf("ttl in the log is %v (%v)", log.Fields["ttl"], err)
	}
}
