// Package watch tells when a file has become another: by its modification time,
// size and identity, so that a file that took its place by a rename, or behind
// a symbolic link, is seen too.
//
// It polls. Notifications (inotify and its like) do not see network file
// systems, bind mounts of single files and the symbolic links of Kubernetes
// alike, and each needs the poll as its fallback; one stat in some seconds
// costs nothing.
package watch

import (
	"io/fs"
	"os"
)

// A File is watched. It is not safe for concurrent use.
type File struct {
	Path string
	Stat func(path string) (fs.FileInfo, error) // default: os.Stat

	read fs.FileInfo // what was read last, good or bad
	seen fs.FileInfo // what the last look saw
}

// Changed looks at the file and reports whether it should be read: it is
// another one than was read, or has changed and then kept still for one look.
// So a file that is being written in place is not read in the middle, while a
// rename, which is how files should be replaced, acts at once. The caller reads
// it and, if that gave the whole file, calls Read with the info.
func (f *File) Changed() (info fs.FileInfo, changed bool, err error) {
	stat := f.Stat
	if stat == nil {
		stat = os.Stat
	}
	info, err = stat(f.Path)
	before := f.seen
	f.seen = info
	switch {
	case err != nil:
		f.seen = nil
		return nil, false, err
	case same(info, f.read):
		return info, false, nil
	case f.read != nil && os.SameFile(info, f.read) && !same(info, before):
		return info, false, nil
	}
	return info, true, nil
}

// Read notes that the file was read as info describes it, whatever was in it:
// what is wrong in it stays wrong until the file changes.
func (f *File) Read(info fs.FileInfo) { f.read = info }

func same(a, b fs.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
