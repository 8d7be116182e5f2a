// Finds tags and actors as you type: suggestions in fields of names (an ARIA
// combobox with a listbox), the filter of a page that lists them all, and the
// answers of /find/ where no daemon gives them. Everything works without it.
'use strict';
(() => {
  const home = new URL('.', document.currentScript.src);
  const most = 8;
  let loading;

  // plain and matches are those of names.go.
  const plain = (s) =>
    s.normalize('NFD').replace(/\p{M}+/gu, '').toUpperCase().toLowerCase().replace(/ς/g, 'σ')
      .replace(/[^\p{L}\p{N}+#*%@]+/gu, ' ').trim();
  const matches = (key, q) => {
    if (key.startsWith(q)) return 0;
    if (` ${key}`.includes(` ${q}`)) return 1;
    if (key.includes(q)) return 2;
    return q.split(' ').every((w) => ` ${key}`.includes(` ${w}`)) ? 3 : -1;
  };

  // load fetches all names, once, when they are first needed.
  const load = () =>
    (loading ??= fetch(new URL('names.json', home))
      .then((r) => (r.ok ? r.json() : Promise.reject(new Error(r.status))))
      .then((all) =>
        ['tags', 'actors'].flatMap((kind) =>
          all[kind].map(([slug, name, count]) => ({ kind, slug, name, count, key: plain(name) }))))
      .catch(() => {
        loading = undefined;
        return [];
      }));

  const find = async (text, kinds, limit) => {
    const q = plain(text);
    if (!q) return [];
    return (await load())
      .filter((n) => kinds.includes(n.kind))
      .map((n) => ({ ...n, rank: matches(n.key, q) }))
      .filter((n) => n.rank >= 0)
      .sort((a, b) => a.rank - b.rank || b.count - a.count)
      .slice(0, limit);
  };

  const page = (n) => new URL(`${n.kind}/${encodeURIComponent(n.slug)}/`, home).href;
  const make = (tag, properties, ...children) => {
    const e = Object.assign(document.createElement(tag), properties);
    e.append(...children);
    return e;
  };
  const events = (n) => (n === 1 ? '1 event' : `${n} events`);

  // suggest makes a field of names a combobox. Where the field leads somewhere
  // (data-go) a choice opens its page, else it fills the field.
  function suggest(input) {
    const kinds = input.dataset.names.split(' ');
    const go = 'go' in input.dataset;
    const list = make('ul', { id: `${input.id}-list`, className: 'suggestions', hidden: true });
    const status = make('span', { className: 'vh' });
    let found = [];
    let active = -1;
    let asked = 0;

    list.setAttribute('role', 'listbox');
    list.setAttribute('aria-label', 'Names');
    status.setAttribute('role', 'status');
    input.setAttribute('role', 'combobox');
    input.setAttribute('aria-autocomplete', 'list');
    input.setAttribute('aria-expanded', 'false');
    input.setAttribute('aria-controls', list.id);
    input.parentElement.classList.add('combobox');
    input.after(list, status);

    const close = () => {
      asked++;
      active = -1;
      list.hidden = true;
      input.setAttribute('aria-expanded', 'false');
      input.removeAttribute('aria-activedescendant');
    };
    const choose = (n) => {
      close();
      if (go) {
        location.href = page(n);
        return;
      }
      input.value = n.name;
      input.dispatchEvent(new Event('change', { bubbles: true }));
    };
    const mark = (i) => {
      active = i;
      [...list.children].forEach((o, j) => o.setAttribute('aria-selected', String(i === j)));
      if (i < 0) {
        input.removeAttribute('aria-activedescendant');
        return;
      }
      input.setAttribute('aria-activedescendant', list.children[i].id);
      list.children[i].scrollIntoView({ block: 'nearest' });
    };
    const update = async () => {
      const mine = ++asked;
      const answer = await find(input.value, kinds, most);
      if (mine !== asked) return; // something else was typed meanwhile
      found = answer;
      list.replaceChildren(...found.map((n, i) => {
        const o = make('li', { id: `${list.id}-${i}` },
          make('bdi', { textContent: n.name }), ' ',
          make('span', { className: 'count', textContent: (kinds.length > 1 ? `${n.kind === 'tags' ? 'tag' : 'actor'}, ` : '') + events(n.count) }));
        o.setAttribute('role', 'option');
        o.setAttribute('aria-selected', 'false');
        o.addEventListener('click', () => choose(n));
        return o;
      }));
      active = -1;
      input.removeAttribute('aria-activedescendant');
      list.hidden = found.length === 0;
      input.setAttribute('aria-expanded', String(!list.hidden));
      status.textContent = !plain(input.value) ? '' : found.length === 1 ? '1 name' : `${found.length || 'No'} names`;
    };

    input.addEventListener('focus', load);
    input.addEventListener('input', update);
    input.addEventListener('blur', close);
    list.addEventListener('mousedown', (e) => e.preventDefault()); // the field keeps the focus
    input.addEventListener('keydown', (e) => {
      if (e.isComposing) return;
      switch (e.key) {
        case 'ArrowDown':
        case 'ArrowUp': {
          e.preventDefault();
          if (list.hidden) {
            update();
            return;
          }
          const step = e.key === 'ArrowDown' ? 1 : -1;
          // Beyond either end is the field itself.
          const places = found.length + 1;
          mark((active + 1 + step + places) % places - 1);
          return;
        }
        case 'Enter':
          if (!list.hidden && active >= 0) {
            e.preventDefault();
            choose(found[active]);
          }
          return;
        case 'Escape':
          if (!list.hidden) {
            e.preventDefault();
            close();
          }
      }
    });
  }

  // grow adds an empty field to a group whose last one is filled.
  function grow(group) {
    group.addEventListener('change', () => {
      const inputs = group.querySelectorAll('input');
      const last = inputs[inputs.length - 1];
      if (!last.value.trim() || inputs.length >= 20) return;
      const id = `${last.name}-${inputs.length}`;
      const input = make('input', { id, name: last.name, maxLength: 200, autocomplete: 'off', spellcheck: false, dir: 'auto' });
      input.dataset.names = last.dataset.names;
      input.dataset.label = last.dataset.label;
      const label = make('label', { className: 'vh', htmlFor: id, textContent: `${last.dataset.label} ${inputs.length + 1}` });
      group.append(make('p', {}, label, input));
      suggest(input);
    });
  }

  // filter shows those names of a long list that fit.
  function filter(form) {
    const input = form.querySelector('input');
    const status = form.querySelector('[role=status]');
    const groups = [...document.querySelectorAll('.letter')];
    let names;
    form.hidden = false;
    form.addEventListener('submit', (e) => e.preventDefault());
    input.addEventListener('input', () => {
      names ??= groups.map((group) =>
        [...group.querySelectorAll('li')].map((item) => ({ item, key: plain(item.firstElementChild.textContent) })));
      const q = plain(input.value);
      let shown = 0;
      groups.forEach((group, i) => {
        let here = 0;
        for (const { item, key } of names[i]) {
          const fits = !q || matches(key, q) >= 0;
          item.hidden = !fits;
          here += fits;
        }
        group.hidden = here === 0;
        shown += here;
      });
      status.textContent = q ? (shown === 1 ? '1 name' : `${shown || 'No'} names`) : '';
    });
  }

  // answer lists what fits the address's question where no daemon did.
  async function answer(box) {
    const q = new URLSearchParams(location.search).get('q') ?? '';
    if (box.dataset.answered === 'true' || !plain(q)) return;
    document.querySelector('#q').value = q;
    const found = await find(q, ['tags', 'actors'], 200);
    for (const [kind, title] of [['tags', 'Tags'], ['actors', 'Actors']]) {
      const those = found.filter((n) => n.kind === kind);
      if (those.length === 0) continue;
      box.append(make('h2', { textContent: title }), make('ul', { className: 'topics' }, ...those.map((n) =>
        make('li', {}, make('a', { href: page(n), dir: 'auto', textContent: n.name }), ' ',
          make('span', { className: 'count', textContent: n.count })))));
    }
    if (found.length === 0) box.append(make('p', { textContent: 'No tag and no actor has a name like this.' }));
  }

  document.querySelectorAll('input[data-names]').forEach(suggest);
  document.querySelectorAll('fieldset.names').forEach(grow);
  document.querySelectorAll('form.filter').forEach(filter);
  document.querySelectorAll('.results').forEach(answer);
})();
