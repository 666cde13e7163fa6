/** Two topics as an operator declares them. */
export const NEWS = {
  topics: [
    {
      topic: 'news',
      version: 1,
      purpose: 'messages',
      channels: ['email', 'sms'],
      words: {
        en: {
          name: 'News',
          description: 'What is new here, once a month.',
          opt_in: 'Yes, tell me once a month what is new.',
        },
        de: {
          name: 'Neuigkeiten',
          description: 'Was es Neues gibt, einmal im Monat.',
          opt_in: 'Ja, schreiben Sie mir einmal im Monat, was es Neues gibt.',
        },
      },
    },
    {
      topic: 'offers',
      version: 1,
      purpose: 'messages',
      channels: ['email'],
      words: {
        en: { name: 'Offers', description: 'Things for less.', opt_in: 'Yes, tell me about offers.' },
      },
    },
  ],
};
