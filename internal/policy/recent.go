package policy

// recent is a map that forgets what was not used lately, so that it never holds more than twice
// its size. It keeps two generations: when the young one is full it becomes the old one, and the
// old one is dropped. What is looked up in the old one moves to the young one. Not safe for
// concurrent use.
type recent[K comparable, V any] struct {
	size       int
	young, old map[K]V
}

func newRecent[K comparable, V any](size int) *recent[K, V] {
	return &recent[K, V]{size: size, young: make(map[K]V)}
}

func (r *recent[K, V]) get(k K) (V, bool) {
	if v, ok := r.young[k]; ok {
		return v, true
	}
	v, ok := r.old[k]
	if ok {
		r.put(k, v)
	}
	return v, ok
}

// put stores v. What it makes the map forget is gone without a word.
func (r *recent[K, V]) put(k K, v V) {
	if _, ok := r.young[k]; !ok && len(r.young) >= r.size {
		r.old, r.young = r.young, make(map[K]V, r.size/4)
	}
	delete(r.old, k)
	r.young[k] = v
}

func (r *recent[K, V]) remove(k K) {
	delete(r.young, k)
	delete(r.old, k)
}

func (r *recent[K, V]) len() int { return len(r.young) + len(r.old) }

// each calls fn for every entry in no order; fn may remove the entry it is called for.
func (r *recent[K, V]) each(fn func(K, V)) {
	for k, v := range r.young {
		fn(k, v)
	}
	for k, v := range r.old {
		fn(k, v)
	}
}
