// Goes on to the app with what this page brings; whoever runs no scripts presses the button.
const form = document.querySelector('main form');
const link = document.querySelector('a[data-onward]');
if (form) form.submit();
else if (link) location.replace(link.href);
