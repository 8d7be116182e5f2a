// Puts a feed's address on the clipboard. The buttons are hidden where no script
// runs: the addresses are there to be selected.
'use strict';
for (const button of document.querySelectorAll('button.copy')) {
  const text = button.firstChild;
  const label = text.data;
  const address = button.parentElement.querySelector('.url');
  const status = document.querySelector('.said');
  let timer;
  button.hidden = false;
  button.addEventListener('click', async () => {
    let said = 'Copied';
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      // No clipboard without https: an older way, else the reader's own hand.
      getSelection().selectAllChildren(address);
      if (!document.execCommand('copy')) said = 'Selected';
    }
    text.data = said;
    status.textContent = said;
    clearTimeout(timer);
    timer = setTimeout(() => {
      text.data = label;
      status.textContent = '';
    }, 4000);
  });
}
