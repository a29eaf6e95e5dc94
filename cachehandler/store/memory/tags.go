package memory

import "sync"

// This file is the index of tags: for each tag a list of the entries that have
// it. An entry is in the lists of its tags as long as it is in its record: it is
// put there and taken out where it is charged for (listLocked, unlistLocked).
// Both take the same few steps however long the lists are.

// tagOverhead is what a tag of an object costs beside its string: a mark, and a
// share of the map's place for those that few objects have. TestTagOverhead
// measures it.
const tagOverhead = 88

// tagIndex is the lists, by tag.
type tagIndex struct {
	mu    sync.Mutex
	lists map[string]*mark // the first of each; guarded by mu
}

// mark is one entry's place in the list of one of its tags, guarded by the
// index's mu. The marks of an entry are one slice, in the order of its tags,
// which is never made anew while they are in lists.
type mark struct {
	entry      *entry
	prev, next *mark
}

func (x *tagIndex) add(e *entry) {
	if len(e.object.Tags) == 0 {
		return
	}
	e.marks = make([]mark, len(e.object.Tags))
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.lists == nil {
		x.lists = make(map[string]*mark)
	}
	for i, tag := range e.object.Tags {
		m, first := &e.marks[i], x.lists[tag]
		m.entry, m.next = e, first
		if first != nil {
			first.prev = m
		}
		x.lists[tag] = m
	}
}

func (x *tagIndex) remove(e *entry) {
	if len(e.marks) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, tag := range e.object.Tags {
		m := &e.marks[i]
		if m.next != nil {
			m.next.prev = m.prev
		}
		switch {
		case m.prev != nil:
			m.prev.next = m.next
		case m.next != nil:
			x.lists[tag] = m.next
		default:
			delete(x.lists, tag)
		}
	}
	e.marks = nil
}

// entries is a snapshot of those with a tag.
func (x *tagIndex) entries(tag string) (all []*entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for m := x.lists[tag]; m != nil; m = m.next {
		all = append(all, m.entry)
	}
	return all
}
