package timeline

import (
	"encoding/binary"
	"iter"

	"tocsin/event"
)

// Mark vouches for what was read of a file: where the file is the same by it, it need
// not be read again. It is kept as it is and means nothing to others.
type Mark []byte

const markSize = 5*8 + len(sum{})

func (f *file) mark() Mark {
	b := make([]byte, 0, markSize)
	for _, n := range []uint64{uint64(f.stat.size), uint64(f.stat.mtime), uint64(f.stat.ctime), f.stat.ino, f.stat.dev} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return append(b, f.sum[:]...)
}

// Recall gives a timeline that has not looked yet what an earlier one had read: the
// events of files, and the marks that it left. n is about how many there are. It returns
// how many of the marks are ones.
func (t *Timeline) Recall(n int, all iter.Seq2[*event.Event, Mark]) (recalled int) {
	if len(t.files) == 0 {
		t.files, t.claims = make(map[string]*file, n), make(map[string]*event.Event, n)
	}
	var room []file // the garbage collector goes through one piece in less time than through many
	for e, m := range all {
		if len(m) != markSize {
			continue
		}
		if len(room) == 0 {
			room = make([]file, 64)
		}
		room[0] = fileOf(e, m)
		t.put(e.Path, &room[0])
		room = room[1:]
		recalled++
	}
	return recalled
}

// fileOf is the file of an event that left a mark.
func fileOf(e *event.Event, m Mark) file {
	n := func(i int) uint64 { return binary.BigEndian.Uint64(m[8*i:]) }
	return file{
		event: e, sum: sum(m[5*8:]),
		stat: stat{size: int64(n(0)), mtime: int64(n(1)), ctime: int64(n(2)), ino: n(3), dev: n(4)},
	}
}

// Marks returns what has to be kept for a later Recall, of the files that were read
// since Marked was called last and are those of events as the world knows them: their
// marks by the ids of the events; nil where there is none any more.
func (t *Timeline) Marks(told func(id string) *event.Event) map[string]Mark {
	marks := make(map[string]Mark, len(t.touched))
	for p := range t.touched {
		f := t.files[p]
		if f == nil || f.event == nil {
			continue
		}
		e := told(f.event.ID)
		if e == nil || e.Path != p {
			continue
		}
		marks[e.ID] = nil
		if t.faults[p] == nil && f.stat != (stat{}) && e.Same(f.event) {
			marks[e.ID] = f.mark()
		}
	}
	return marks
}

// Unmarked returns how many files Marks would tell of.
func (t *Timeline) Unmarked() int { return len(t.touched) }

// Marked says that what Marks returned is kept.
func (t *Timeline) Marked() { t.touched = make(map[string]struct{}) }
